"""Large arrays live in files without a name; what is in them stays whatever is released."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from restoration import scratch

ROWS = 4096
WIDE = (ROWS, scratch.LARGE_BYTES // ROWS // 2)  # uint16: just large


def resident_mib(kind: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition(f"{kind}:")[2].split()[0]) // 1024


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


def test_small_arrays_are_ordinary_memory() -> None:
    array = scratch.empty((ROWS, WIDE[1] - 1), np.uint16)
    assert array.base is None
    array[:] = 3
    scratch.release(array, array[1:2])
    assert (array == 3).all()


@linux
def test_large_arrays_are_mapped_files_whose_pages_can_go() -> None:
    array = scratch.empty(WIDE, np.uint16)
    before = resident_mib("RssAnon")
    array[:] = np.arange(WIDE[1], dtype=np.uint16)
    assert resident_mib("RssAnon") - before < 8
    filled = resident_mib("RssFile")
    # Of a view the whole mapping is meant: strips are views.
    scratch.release(np.broadcast_to(array[5:9, :, None], (4, WIDE[1], 3)))
    assert filled - resident_mib("RssFile") > 48
    assert (array == np.arange(WIDE[1], dtype=np.uint16)).all()


@linux
def test_the_file_has_no_name_and_goes_with_the_last_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    free = os.statvfs(tmp_path)
    array = scratch.empty(WIDE, np.uint16)
    view = array[7:9]
    assert list(tmp_path.iterdir()) == []
    maps = Path("/proc/self/maps")
    assert str(tmp_path) in maps.read_text(encoding="utf-8")
    del array
    view[:] = 5
    assert (view == 5).all()
    del view
    assert str(tmp_path) not in maps.read_text(encoding="utf-8")
    assert free.f_blocks == os.statvfs(tmp_path).f_blocks


def test_a_private_mapping_of_others_is_left_alone() -> None:
    private = mmap.mmap(-1, 1 << 16, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    array = np.frombuffer(private, np.uint8)
    own = np.ndarray((1 << 16,), np.uint8, buffer=private)
    own[:] = 9
    scratch.release(array, own)
    assert (array == 9).all()


def test_a_mapped_file_is_shared_with_its_descriptor() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(range(24)))
        file.flush()
        array = scratch.mapped(file.fileno(), (2, 3, 2), np.uint16)
        assert array[0, 0, 0] == int.from_bytes(bytes([0, 1]), sys.byteorder)
        array[:] = 0xFFFF
        assert os.pread(file.fileno(), 24, 0) == b"\xff" * 24
        with pytest.raises(ValueError, match="length"):
            scratch.mapped(file.fileno(), (2, 3, 3), np.uint16)
        with pytest.raises(ValueError, match="cannot be mapped"):
            scratch.mapped(file.fileno(), (0, 3), np.uint16)


@linux
def test_no_room_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    code = (
        "import resource, signal, numpy as np; from restoration import scratch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "try:\n    scratch.empty((1 << 27,), np.uint8)\n"
        "except OSError:\n    print('no room')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True,
        text=True, check=False, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout == "no room\n", done.stderr
