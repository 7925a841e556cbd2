"""The command line's parser: mistakes are one line, in plain words."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from restoration.errors import UsageError

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_READ_BY: Final = "read_by"
"""In a namespace, until it is handed out: the parser that read the last of it."""


class CommandParser(argparse.ArgumentParser):
    """A parser that ends nothing: bad arguments are a `UsageError` of one line.

    Options are written out, since an abbreviation changes its meaning when an option is added.
    Arguments of the types `int`, `float` and `Path` are read by this module's functions.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as argparse has them
        super().__init__(**options)
        self.allow_abbrev = False
        self.set_defaults(**{_READ_BY: self})  # of nested parsers, the innermost one's stays
        self.register("type", int, whole_number)
        self.register("type", float, number)
        self.register("type", Path, local_path)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As argparse's, but of what is not known the command says it, whose --help helps."""
        arguments, unknown = self.parse_known_args(args, namespace)
        command: CommandParser = vars(arguments).pop(_READ_BY)
        if unknown:
            command.error(f"unrecognized arguments: {' '.join(unknown)}")
        return arguments

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
