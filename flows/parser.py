"""The command line's parser: mistakes are one line, in plain words."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, Final, NoReturn

from restoration.errors import UsageError

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class CommandParser(argparse.ArgumentParser):
    """A parser that ends nothing: bad arguments are a `UsageError` of one line.

    Options are written out, since an abbreviation changes its meaning when an option is added.
    Arguments of the types `int`, `float` and `Path` are read by this module's functions.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as argparse has them
        super().__init__(**options)
        self.allow_abbrev = False
        self.register("type", int, whole_number)
        self.register("type", float, number)
        self.register("type", Path, local_path)

    def error(self, message: str) -> NoReturn:
        """One line, without the usage dump."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def whole_number(text: str) -> int:
    """An integer.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """A number; infinite ones and "nan" are for whoever knows the range.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def local_path(text: str) -> Path:
    """A path on this machine; `Path` makes `s3:/bucket` of an address.

    Raises:
        argparse.ArgumentTypeError: an address.
    """
    if _ADDRESS.match(text):
        raise argparse.ArgumentTypeError(
            f"a local path is needed, not {text}; `run` is what reads and writes buckets"
        )
    return Path(text)


def sentence(summary: str) -> str:
    """A summary with a capital at its beginning and a full stop; names in it stay as they are."""
    return f"{summary[:1].upper()}{summary[1:]}."
