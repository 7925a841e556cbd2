"""What parent and decoder process say to each other: pickles over a socket, arrays beside them.

Arrays never go through the socket. They lie in files without a name, whose descriptors are sent
along; both sides map them.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from restoration import scratch

_LENGTH: Final = struct.Struct("!Q")
_SMALL_BYTES: Final = 1 << 12
"""Arrays below it go inside the message."""
_MAX_FILES: Final = 2


class Arena:
    """Arrays that two processes share: in memory, and large ones in a temporary file."""

    def __init__(self) -> None:
        self._parts = (_Part(_memory_file()), _Part(scratch.temporary_file()))
        self._places: dict[int, tuple[_Place, NDArray[Any]]] = {}

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:  # noqa: ANN401
        """A new array that the other side will see; its contents are undefined.

        Raises:
            OSError: there is no room for it.
        """
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if size < _SMALL_BYTES:
            return np.empty(shape, dtype)
        number = int(size >= scratch.LARGE_BYTES)
        part = self._parts[number]
        offset = part.reserve(size)
        array = scratch.mapped(part.file.fileno(), shape, dtype, offset=offset)
        self._places[id(array)] = (number, offset), array
        return array

    def place(self, array: NDArray[Any]) -> _Place:
        """Where an array lies; one from elsewhere is copied first."""
        known = self._places.get(id(array))
        if known is not None:
            return known[0]
        copy = self.allocate(array.shape, array.dtype.type)
        copy[...] = array
        return self._places[id(copy)][0]

    @property
    def descriptors(self) -> list[int]:
        """Of the files, in the order that places count them."""
        return [part.file.fileno() for part in self._parts]

    def close(self) -> None:
        """Close the files; mappings live on."""
        self._places.clear()
        for part in self._parts:
            part.file.close()


_Place = tuple[int, int]
"""Number of the file, and the offset in it."""


@dataclass
class _Part:
    """A file that grows by one array after the other."""

    file: BinaryIO
    end: int = 0

    def reserve(self, size: int) -> int:
        start = -(-self.end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        scratch.extend(self.file, start, size)
        self.end = start + size
        return start


def _memory_file() -> BinaryIO:
    """A file in memory, where the system has such; a disk may keep small photos waiting."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("restore-archive"), "w+b")  # noqa: PTH123
    return scratch.temporary_file()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, arena: Arena) -> None:
        super().__init__(file, protocol=5)
        self._arena = arena

    def persistent_id(self, value: object) -> object:
        """Arrays of some size as (place, shape, type)."""
        if isinstance(value, np.ndarray) and value.nbytes >= _SMALL_BYTES:
            return self._arena.place(value), value.shape, value.dtype.str
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, descriptors: Sequence[int]) -> None:
        super().__init__(file)
        self._descriptors = descriptors

    def persistent_load(self, reference: Any) -> NDArray[Any]:  # noqa: ANN401
        """The array that `persistent_id` spoke of."""
        (number, offset), shape, kind = reference
        return scratch.mapped(self._descriptors[number], shape, np.dtype(kind).type, offset=offset)


def send(channel: socket.socket, message: object, descriptors: Sequence[int] = ()) -> None:
    """Send a message with open files.

    Raises:
        OSError: the other side is gone.
    """
    _send_bytes(channel, pickle.dumps(message, protocol=5), descriptors)


def send_with_arrays(channel: socket.socket, message: object, arena: Arena) -> None:
    """Send a message whose arrays lie in an arena, or are copied into it.

    Raises:
        OSError: the other side is gone, or there is no room for a copy.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, arena).dump(message)
    _send_bytes(channel, buffer.getvalue(), arena.descriptors)


def receive(channel: socket.socket) -> tuple[Any, list[int]]:
    """The next message with its arrays, and the files that came with it.

    Returns:
        The message, and descriptors that the caller closes; arrays stay mapped.

    Raises:
        EOFError: the other side is gone.
    """
    head, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, _MAX_FILES)
    try:
        body = _received(channel, head)
        return _Unpickler(io.BytesIO(body), descriptors).load(), descriptors
    except BaseException:
        for each in descriptors:
            os.close(each)
        raise


def _received(channel: socket.socket, head: bytes) -> bytes:
    """The rest of a message that begins with its length."""
    if len(head) < _LENGTH.size:
        raise EOFError("the other side is gone")
    (length,) = _LENGTH.unpack(head)
    data = bytearray()
    while len(data) < length:
        block = channel.recv(min(1 << 20, length - len(data)))
        if not block:
            raise EOFError("the other side is gone")
        data += block
    return bytes(data)


def _send_bytes(channel: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    socket.send_fds(channel, [_LENGTH.pack(len(data))], descriptors)
    channel.sendall(data)
