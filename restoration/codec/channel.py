"""What parent and decoder process say to each other: pickles over a socket, arrays beside them.

Arrays never go through the socket. They lie in one unlinked temporary file, whose descriptor is
sent along; both sides map it.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from restoration import scratch

_LENGTH: Final = struct.Struct("!Q")
_SMALL_BYTES: Final = 1 << 12
"""Arrays below it go inside the message."""
_LARGEST_MESSAGE: Final = 1 << 30


class Arena:
    """Arrays in one temporary file without a name, each at an offset that can be mapped."""

    def __init__(self) -> None:
        self._file = scratch.temporary_file()
        self._end = 0
        self._places: dict[int, tuple[int, NDArray[Any]]] = {}

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:  # noqa: ANN401
        """A new array in the file; its contents are undefined.

        Raises:
            OSError: there is no room for it.
        """
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if size < _SMALL_BYTES:
            return np.empty(shape, dtype)
        start = -(-self._end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        if hasattr(os, "posix_fallocate"):
            # Room that turned out to be missing later would be a bus error instead of this one.
            os.posix_fallocate(self._file.fileno(), start, size)
        else:
            self._file.truncate(start + size)
        self._end = start + size
        array = scratch.mapped(self._file.fileno(), shape, dtype, offset=start)
        self._places[id(array)] = start, array
        return array

    def place(self, array: NDArray[Any]) -> int:
        """Where an array lies in the file; one from elsewhere is copied into it."""
        known = self._places.get(id(array))
        if known is not None:
            return known[0]
        copy = self.allocate(array.shape, array.dtype.type)
        copy[...] = array
        return self._places[id(copy)][0]

    @property
    def descriptor(self) -> int:
        """Of the file."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file; mappings live on."""
        self._places.clear()
        self._file.close()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, arena: Arena) -> None:
        super().__init__(file, protocol=5)
        self._arena = arena

    def persistent_id(self, value: object) -> object:
        """Arrays of some size as (offset, shape, type)."""
        if isinstance(value, np.ndarray) and value.nbytes >= _SMALL_BYTES:
            return self._arena.place(value), value.shape, value.dtype.str
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, descriptor: int) -> None:
        super().__init__(file)
        self._descriptor = descriptor

    def persistent_load(self, reference: Any) -> NDArray[Any]:  # noqa: ANN401
        """The array that `persistent_id` spoke of."""
        offset, shape, kind = reference
        return scratch.mapped(self._descriptor, shape, np.dtype(kind).type, offset=offset)


def send(channel: socket.socket, message: object, descriptor: int) -> None:
    """Send a message with one open file.

    Raises:
        OSError: the other side is gone.
    """
    data = pickle.dumps(message, protocol=5)
    _send_bytes(channel, data, descriptor)


def send_with_arrays(channel: socket.socket, message: object, arena: Arena) -> None:
    """Send a message whose arrays lie in an arena, or are copied into it.

    Raises:
        OSError: the other side is gone, or there is no room for a copy.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, arena).dump(message)
    _send_bytes(channel, buffer.getvalue(), arena.descriptor)


def receive(channel: socket.socket) -> tuple[Any, int]:
    """The next message with its arrays, and the file that came with it.

    Returns:
        The message, and a descriptor that the caller closes; arrays stay mapped.

    Raises:
        EOFError: the other side is gone.
    """
    head, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, 1)
    if len(head) < _LENGTH.size or not descriptors:
        raise EOFError("the other side is gone")
    (length,) = _LENGTH.unpack(head)
    if length > _LARGEST_MESSAGE:
        raise EOFError("the other side has lost its mind")
    data = bytearray()
    while len(data) < length:
        block = channel.recv(min(1 << 20, length - len(data)))
        if not block:
            raise EOFError("the other side is gone")
        data += block
    return _Unpickler(io.BytesIO(data), descriptors[0]).load(), descriptors[0]


def _send_bytes(channel: socket.socket, data: bytes, descriptor: int) -> None:
    socket.send_fds(channel, [_LENGTH.pack(len(data))], [descriptor])
    channel.sendall(data)
