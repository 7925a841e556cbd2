"""Files that a user asked for by name: each appears whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written; at the end it takes the place of `path`, after an error it is gone.

    It lies beside `path` under a name that nobody else has, so that no file of others is touched.

    Raises:
        OSError: it cannot be made, or not take its place.
    """
    unfinished = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(8)}.part{path.suffix}")
    with unfinished.open("xb") as file:
        try:
            yield file
            file.close()
            unfinished.replace(path)
        except BaseException:
            file.close()
            unfinished.unlink(missing_ok=True)
            raise
