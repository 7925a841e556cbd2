"""Decoding in a process of its own, with limits on memory and time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO, Final

from restoration import scratch
from restoration.codec.channel import receive, send
from restoration.codec.limits import DEFAULT_LIMITS, Limits
from restoration.codec.photo import Photo
from restoration.errors import DecodeError, DecoderDied, DecoderKilled, DecoderUnavailable

READY: Final = "ready"
"""What the process says when it can take orders."""
_COPY_BYTES: Final = 1 << 20
_CHILD: Final = "restoration.codec.child"
_ENDED_FROM_OUTSIDE: Final = (0, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT)


@dataclass(frozen=True)
class DecodeOrder:
    """What the decoder process is told; the file itself comes as an open descriptor.

    Attributes:
        limits: what the file may cost.
        salvage: whether a damaged file is decoded as far as it goes.
    """

    limits: Limits
    salvage: bool = False


class DecoderProcess:
    """A process that decodes one photograph at a time; it is started when first needed.

    Safe to use from several threads, which then take turns.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def decode(
        self, file: BinaryIO, limits: Limits = DEFAULT_LIMITS, *, salvage: bool = False
    ) -> Photo:
        """Decode as `restoration.codec.decode` does, at arm's length.

        Args:
            file: seekable; one without a descriptor is copied to a temporary file first.
            limits: what it may cost.
            salvage: decode a damaged file as far as it goes.

        Raises:
            DecodeError: damaged, empty, or no image of a known format.
            DecoderDied: the decoder crashed, took too long or was killed.
            DecoderUnavailable: the process does not start.
            TooLarge: over one of the limits.
            UnsupportedPhoto: something that cannot be carried through without loss.
        """
        limits.check_file(file.seek(0, os.SEEK_END))
        with self._lock, _descriptor_of(file) as descriptor:
            channel = self._running()
            try:
                send(channel, DecodeOrder(limits, salvage), [descriptor])
                answer, files = receive(channel)
            except (EOFError, OSError) as error:
                raise self._obituary(limits) from error
            except BaseException:
                self._end(wait_s=0)  # or the next file would get this one's answer
                raise
            for each in files:
                os.close(each)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Photo)
        return answer

    @property
    def pid(self) -> int | None:
        """Of the process; None before the first photo."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _running(self) -> socket.socket:
        if self._channel is not None and self._process is not None and self._process.poll() is None:
            return self._channel
        self._end()
        ours, theirs = socket.socketpair()
        with theirs:
            # The paths by which this process found the package, however it was started; and -P:
            # what lies in the current folder may be somebody's archive, and is never imported.
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            with tempfile.TemporaryFile() as complaints:
                with _requests_to_stop_left_to_us():
                    self._process = subprocess.Popen(
                        [
                            sys.executable,
                            "-P",
                            "-m",
                            _CHILD,
                            str(theirs.fileno()),
                        ],
                        pass_fds=[theirs.fileno()],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=complaints,
                        env=environment,
                    )
                theirs.close()  # or its end would never be seen
                self._channel = ours
                self._await_start(ours, complaints)
        return ours

    def _await_start(self, channel: socket.socket, complaints: IO[bytes]) -> None:
        """Wait until the process has imported its libraries.

        Raises:
            DecoderUnavailable: it has not: no photo is to blame.
        """
        try:
            receive(channel)
        except (EOFError, OSError) as error:
            self._end()
            complaints.seek(0)
            lines = complaints.read().decode("utf-8", "replace").split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), "no reason given")
            raise DecoderUnavailable(f"the decoder process does not start: {reason}") from error

    def _end(self, *, wait_s: float = 2.0) -> int:
        if self._channel is not None:
            self._channel.close()
        process, self._process, self._channel = self._process, None, None
        if process is None:
            return 0
        try:
            return process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _obituary(self, limits: Limits) -> DecodeError:
        code = self._end()
        if code == -signal.SIGPROF:
            return DecoderDied(
                f"decoding took longer than {limits.decode_seconds:g} s of processor time (more "
                "for large photos); look at the file, or raise --decode-seconds"
            )
        if code == -signal.SIGALRM:
            return DecoderKilled("decoding came to nothing for minutes; the machine is overloaded")
        if code == -signal.SIGKILL:
            return DecoderKilled("the decoder was killed, most likely out of memory; run again")
        if code in _ENDED_FROM_OUTSIDE:
            return DecoderKilled("the decoder was ended from outside; run again")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return DecoderDied(f"the decoder crashed on this file ({name}); look for another copy")


@contextmanager
def _requests_to_stop_left_to_us() -> Iterator[None]:
    """Have a process that starts inside never see Ctrl-C or SIGTERM.

    Terminals and systemd send them to all processes; photos in hand are to be finished.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _descriptor_of(file: BinaryIO) -> Iterator[int]:
    """A file's own descriptor, or that of a temporary copy of what has none (an S3 object)."""
    try:
        descriptor = file.fileno()
    except (OSError, AttributeError):
        with scratch.temporary_file() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy, _COPY_BYTES)
            copy.flush()
            yield copy.fileno()
    else:
        yield descriptor


class DecoderPool:
    """Decoder processes, each of which is started when all others are at work.

    Safe to use from several threads. What a file does to its decoder, it does to no other.

    Args:
        size: processes at most.
    """

    def __init__(self, size: int = 1) -> None:
        self._size = size
        self._all: list[DecoderProcess] = []
        self._idle: list[DecoderProcess] = []
        self._changed = threading.Condition()

    def decode(
        self, file: BinaryIO, limits: Limits = DEFAULT_LIMITS, *, salvage: bool = False
    ) -> Photo:
        """See `DecoderProcess.decode`; waits for a process that is idle."""
        decoder = self._take()
        try:
            return decoder.decode(file, limits, salvage=salvage)
        finally:
            with self._changed:
                self._idle.append(decoder)
                self._changed.notify()

    def allow(self, size: int) -> None:
        """Let there be so many processes, if there may not be more already."""
        with self._changed:
            self._size = max(self._size, size)
            self._changed.notify_all()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that were started."""
        with self._changed:
            return tuple(each.pid for each in self._all if each.pid is not None)

    @property
    def idle(self) -> int:
        """How many decoders have nothing to do."""
        with self._changed:
            return len(self._idle)

    def close(self) -> None:
        """End the processes, each when it has done the photo that it is at work on."""
        with self._changed:
            known = tuple(self._all)
        for each in known:
            each.close()

    def _take(self) -> DecoderProcess:
        with self._changed:
            self._changed.wait_for(lambda: self._idle or len(self._all) < self._size)
            if not self._idle:
                self._all.append(DecoderProcess())
                return self._all[-1]
            # The last one that was used: where few are needed, the others' memory goes to the disk.
            return self._idle.pop()


PHOTOS_PER_DECODER: Final = 4
"""Decoding is about a tenth of the work on a photo, a quarter where nothing is done to it."""

_shared = DecoderPool()


def shared_decoder(photos: int = 1) -> DecoderPool:
    """The decoders of this process; they end with it.

    Args:
        photos: that may be in work at once, for which there are to be enough.
    """
    _shared.allow(-(-photos // PHOTOS_PER_DECODER))
    return _shared
