"""Arrays larger than memory: in unlinked temporary files, which the kernel may write out.

A 300-megapixel scan of 16 bits has 1.8 GB of samples, and its way to the output takes several
arrays of that size. None needs to be in memory as a whole: each is read and written in strips.
From `LARGE_BYTES` on an array is a file without a name, mapped; its pages are the kernel's to
write out under pressure, and `release` says which need not stay. The file is in `TMPDIR` if that is
set, else in /var/tmp: on many systems /tmp is a tmpfs, which is memory.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any, BinaryIO, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

LARGE_BYTES: Final = 64 << 20
"""Below it an array is ordinary memory: a file would cost more than it saves."""

Scalar = TypeVar("Scalar", bound=np.generic)


class _Mapping(mmap.mmap):
    """A shared mapping made here.

    Dropping the pages of a private one would lose what was written, so no other is released.
    """


def empty(shape: tuple[int, ...], dtype: type[Scalar]) -> NDArray[Scalar]:
    """A new array whose contents are undefined.

    Args:
        shape: of the array.
        dtype: NumPy scalar type, such as np.uint16.

    Returns:
        Ordinary memory below `LARGE_BYTES`, else a mapped temporary file that is gone with the
        last view of the array.

    Raises:
        OSError: no room for a large one in the folder for temporary files.
    """
    size = _size(shape, dtype)
    if size < LARGE_BYTES:
        return np.empty(shape, dtype)
    with temporary_file() as file:
        extend(file, 0, size)
        return mapped(file.fileno(), shape, dtype)


def temporary_file() -> BinaryIO:
    """A new file without a name where large ones belong; it is gone when it is closed.

    Raises:
        OSError: it cannot be made.
    """
    return cast(BinaryIO, tempfile.TemporaryFile(prefix="restore-archive-", dir=_folder()))


def extend(file: BinaryIO, start: int, size: int) -> None:
    """Make room for `size` bytes from `start` on.

    Raises:
        OSError: there is none. Where that turned out later, it would be a bus error.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), start, size)
    else:
        file.truncate(start + size)


def mapped(
    descriptor: int, shape: tuple[int, ...], dtype: type[Scalar], *, offset: int = 0
) -> NDArray[Scalar]:
    """An array over a part of an open file: what is written to either is in both.

    Args:
        descriptor: of a file, open for reading and writing, that holds at least the array. The
            mapping outlives it.
        shape: of the array; not empty.
        dtype: NumPy scalar type.
        offset: where in the file it starts; a multiple of `mmap.ALLOCATIONGRANULARITY`.

    Raises:
        ValueError: the file is smaller than the array, or the array is empty.
        OSError: it cannot be mapped.
    """
    size = _size(shape, dtype)
    if size == 0:
        raise ValueError(f"an array of shape {shape} cannot be mapped")
    return np.ndarray(shape, dtype, buffer=_Mapping(descriptor, size, offset=offset))


def release(*arrays: NDArray[Any]) -> None:
    """Say that no page of the arrays' mappings needs to stay in memory.

    Contents stay what they are; the next access reads pages back. Nothing happens to ordinary
    arrays, and nothing where the system has no such call. Of a view the whole mapping is meant.
    """
    for array in arrays:
        mapping = _mapping_of(array)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def _folder() -> str | None:
    """Where large temporary files belong (Filesystem Hierarchy Standard 3.0, 5.15)."""
    named = os.environ.get("TMPDIR")
    return named or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)


def _mapping_of(array: NDArray[Any]) -> _Mapping | None:
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, _Mapping) else None


def _size(shape: tuple[int, ...], dtype: type[np.generic]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
