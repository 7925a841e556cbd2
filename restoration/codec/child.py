"""The decoder process: `python -m restoration.codec.child DESCRIPTOR`, started by `process`.

A crash or a hang of a C library costs one photo. The process ends with the one that started it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import BinaryIO, cast

from restoration.codec.channel import Arena, receive, send, send_with_arrays
from restoration.codec.decoding import decode
from restoration.codec.limits import PATIENCE_SECONDS, Limits
from restoration.codec.process import READY, DecodeOrder
from restoration.errors import DecodeError, RestorationError, TooLarge, no_room

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def main() -> None:
    """Serve orders until the other side is gone."""
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        send(channel, READY)
        while True:
            try:
                order, [descriptor] = receive(channel)
            except (EOFError, OSError):
                return
            with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor is no path
                serve(channel, order, cast(BinaryIO, file))


def serve(channel: socket.socket, order: DecodeOrder, file: BinaryIO) -> None:
    """Decode one file and send back what became of it.

    The timers end this process, whatever a decoder is doing, when its time is over.
    """
    limits = order.limits
    _bound_memory(limits.decode_memory_gb)
    arena = Arena()
    try:
        _bound_time(limits, 0)
        answer: object
        try:
            answer = decode(
                file,
                limits,
                salvage=order.salvage,
                allocate=arena.allocate,
                on_size=lambda megapixels: _bound_time(limits, megapixels),
            )
        except RestorationError as error:
            answer = type(error)(*error.args)  # without its causes, which may not be picklable
        except MemoryError:
            answer = TooLarge(
                f"decoding needs more than {limits.decode_memory_gb:g} GB of memory "
                "(--decode-memory-gb)"
            )
        except OSError as error:
            answer = no_room(error) or DecodeError(f"cannot be decoded here: {error}")
        finally:
            for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
                signal.setitimer(timer, 0)
        send_with_arrays(channel, answer, arena)
    finally:
        arena.close()


def _bound_time(limits: Limits, megapixels: float) -> None:
    """Bound the processor time, and the wall-clock time of what waits for ever."""
    seconds = limits.seconds_for(megapixels)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds + PATIENCE_SECONDS)


def _bound_memory(gigabytes: float) -> None:
    """Bound private memory; the samples, in mapped files, are not private (Linux)."""
    if resource is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = int(gigabytes * 1e9)
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    main()
    # Not sys.exit: what libraries do at the end may hang, and there is nothing to be tidied up.
    os._exit(0)
