"""Decoding at arm's length: what a crash, a hang or a hog costs, and what it does not."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from restoration.codec import DecoderPool, DecoderProcess, Limits, decode, shared_decoder
from restoration.errors import (
    DecodeError,
    DecoderDied,
    DecoderKilled,
    DecoderUnavailable,
    TooLarge,
    UnsupportedPhoto,
)
from tests.pictures import deep, jpeg, png, png_bomb, tiff
from tests.scenes import gray_scene, scene


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    process = DecoderProcess()
    yield process
    process.close()


def pid_of(decoder: DecoderProcess) -> int:
    assert decoder.pid is not None
    return decoder.pid


@pytest.mark.parametrize(
    "data",
    [
        jpeg(scene(300, 200), quality=90),
        tiff(deep(scene(200, 300)), "rgb", resolution=(300, 300)),
        tiff([gray_scene(90, 80), gray_scene(8, 8), gray_scene(200, 100)], "minisblack"),
    ],
    ids=["jpeg", "deep tiff", "pages"],
)
def test_gives_what_decoding_here_gives(
    decoder: DecoderProcess, data: bytes, tmp_path: Path
) -> None:
    expected = decode(io.BytesIO(data))
    path = tmp_path / "photo"
    path.write_bytes(data)
    with path.open("rb") as file:
        photos = [decoder.decode(file), decoder.decode(io.BytesIO(data))]
    for photo in photos:
        assert photo.format == expected.format
        assert photo.notes == expected.notes
        for page, other in zip(photo.pages, expected.pages, strict=True):
            np.testing.assert_array_equal(page.stored, other.stored)
            np.testing.assert_array_equal(page.pixels, other.pixels)
            assert (page.embedded, page.coding) == (other.embedded, other.coding)


def test_one_process_serves_many_photos_and_their_pixels_outlive_it(
    decoder: DecoderProcess,
) -> None:
    photos = [decoder.decode(io.BytesIO(png(scene(90, 80, seed=seed)))) for seed in range(3)]
    first = pid_of(decoder)
    decoder.decode(io.BytesIO(png(scene(40, 40))))
    assert pid_of(decoder) == first
    decoder.close()
    for seed, photo in enumerate(photos):
        np.testing.assert_array_equal(photo.pixels, scene(90, 80, seed=seed))


@pytest.mark.parametrize(
    ("data", "error", "word"),
    [
        (b"", DecodeError, "empty"),
        (b"%PDF-1.4", UnsupportedPhoto, "PDF"),
        (jpeg(scene(200, 200))[:900], DecodeError, "cut off"),
        (png_bomb(100_000, 100_000), TooLarge, "10000 megapixels"),
    ],
)
def test_errors_arrive_as_they_are(
    decoder: DecoderProcess, data: bytes, error: type, word: str
) -> None:
    with pytest.raises(error, match=word) as caught:
        decoder.decode(io.BytesIO(data))
    assert type(caught.value) is error
    assert decoder.decode(io.BytesIO(png(scene(20, 20)))).megapixels > 0


def test_a_decoder_that_takes_too_long_is_ended(decoder: DecoderProcess) -> None:
    photo = io.BytesIO(png(np.tile(scene(600, 600), (4, 4, 1))))  # a timer's tick is 4 ms
    with pytest.raises(DecoderDied, match=r"longer than 0\.0001 s") as caught:
        decoder.decode(photo, Limits(decode_seconds=0.0001))
    assert caught.value.is_permanent
    assert decoder.decode(photo).pixels.shape == (2400, 2400, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux only")
def test_a_decoder_that_wants_too_much_memory_is_refused_it(decoder: DecoderProcess) -> None:
    with pytest.raises(TooLarge, match="--decode-memory-gb"):
        decoder.decode(io.BytesIO(png(scene(600, 600))), Limits(decode_memory_gb=0.001))
    assert decoder.decode(io.BytesIO(png(scene(600, 600)))).megapixels == 0.36


@pytest.mark.parametrize(
    ("number", "error", "word"),
    [
        (signal.SIGSEGV, DecoderDied, "SIGSEGV"),
        (signal.SIGABRT, DecoderDied, "SIGABRT"),
        (signal.SIGKILL, DecoderKilled, "out of memory"),
        (signal.SIGHUP, DecoderKilled, "from outside"),
    ],
)
def test_a_crash_costs_one_photo(
    decoder: DecoderProcess, number: signal.Signals, error: type, word: str
) -> None:
    photo = png(scene(60, 60))
    decoder.decode(io.BytesIO(photo))
    # Stopped, so that the signal meets it at work on the next photo.
    os.kill(pid_of(decoder), signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(decoder.decode, io.BytesIO(photo))
        os.kill(pid_of(decoder), number)
        os.kill(pid_of(decoder), signal.SIGCONT)
        with pytest.raises(error, match=word) as caught:
            waiting.result()
    assert caught.value.is_permanent == (error is not DecoderKilled)
    np.testing.assert_array_equal(decoder.decode(io.BytesIO(photo)).pixels, scene(60, 60))


def test_a_decoder_that_died_between_photos_is_replaced(decoder: DecoderProcess) -> None:
    decoder.decode(io.BytesIO(png(scene(20, 20))))
    victim = pid_of(decoder)
    watched = os.pidfd_open(victim)
    os.kill(victim, signal.SIGKILL)
    select.select([watched], [], [], 10)
    os.close(watched)
    assert decoder.decode(io.BytesIO(png(scene(20, 20)))).megapixels > 0
    assert pid_of(decoder) != victim


def test_a_decoder_that_does_not_start_is_no_photos_fault(
    decoder: DecoderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DecoderUnavailable, match="does not start") as caught:
        decoder.decode(io.BytesIO(png(scene(20, 20))))
    assert not caught.value.is_permanent
    monkeypatch.undo()
    assert decoder.decode(io.BytesIO(png(scene(20, 20)))).megapixels > 0


def test_nothing_in_the_current_folder_is_imported(
    decoder: DecoderProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tifffile", "pyvips", "restoration"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('somebody else’s code')")
    monkeypatch.chdir(tmp_path)
    assert decoder.decode(io.BytesIO(png(scene(20, 20)))).megapixels > 0


def test_descriptors_are_given_back(decoder: DecoderProcess) -> None:
    photo = io.BytesIO(png(scene(60, 60)))
    decoder.decode(photo)
    before = open_files()
    for _ in range(20):
        decoder.decode(photo)
    assert open_files() <= before + 1


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_it_ends_with_its_parent() -> None:
    program = (
        "import io, os, signal; from restoration.codec import DecoderProcess; "
        "from tests.pictures import png; from tests.scenes import scene; "
        "decoder = DecoderProcess(); decoder.decode(io.BytesIO(png(scene(20, 20)))); "
        "print(decoder.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    try:
        watched = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    assert select.select([watched], [], [], 20)[0]
    os.close(watched)


@pytest.fixture
def decoders() -> Iterator[DecoderPool]:
    """Two at most."""
    pool = DecoderPool(2)
    yield pool
    pool.close()


def test_a_second_decoder_is_started_when_the_first_is_at_work(decoders: DecoderPool) -> None:
    photo = png(scene(60, 60))
    assert decoders.pids == ()
    for _ in range(3):
        decoders.decode(io.BytesIO(photo))
    (first,) = decoders.pids
    os.kill(first, signal.SIGSTOP)  # at work for as long as it takes
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(decoders.decode, io.BytesIO(photo))
        while decoders.idle:
            pass
        for _ in range(3):
            np.testing.assert_array_equal(decoders.decode(io.BytesIO(photo)).pixels, scene(60, 60))
        assert not waiting.done()
        os.kill(first, signal.SIGCONT)
        np.testing.assert_array_equal(waiting.result().pixels, scene(60, 60))
    assert len(decoders.pids) == 2
    assert decoders.pids[0] == first


def test_a_crash_costs_no_photo_of_another_decoder(decoders: DecoderPool) -> None:
    photo = png(scene(60, 60))
    decoders.decode(io.BytesIO(photo))
    (first,) = decoders.pids
    os.kill(first, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        doomed = pool.submit(decoders.decode, io.BytesIO(photo))
        while decoders.idle:
            pass
        decoders.decode(io.BytesIO(photo))
        second = decoders.pids[1]
        os.kill(first, signal.SIGSEGV)
        os.kill(first, signal.SIGCONT)
        with pytest.raises(DecoderDied, match="SIGSEGV"):
            doomed.result()
    for _ in range(3):
        decoders.decode(io.BytesIO(photo))
    assert second in decoders.pids


def test_no_more_are_started_than_allowed(decoders: DecoderPool) -> None:
    photo = png(scene(60, 60))
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(decoders.decode, io.BytesIO(photo)) for _ in range(24)]:
            np.testing.assert_array_equal(done.result().pixels, scene(60, 60))
    assert 1 <= len(decoders.pids) <= 2
    assert decoders.idle == len(decoders.pids)


def test_this_process_has_one_pool() -> None:
    assert shared_decoder() is shared_decoder(9)
