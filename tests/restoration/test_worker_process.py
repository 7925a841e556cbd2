"""Settings of a process that restores; in a process of its own, since they stay."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
from restoration.worker_process import settle
settle(int(sys.argv[1]))
import cv2, numpy, torch
from threadpoolctl import threadpool_info
seen = []
thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
thread.start()
thread.join()
blas = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
print(cv2.getNumThreads(), torch.get_num_threads(), *seen, max(blas, default=1))
"""


@pytest.mark.parametrize("photos_at_once", [1, 1000])
def test_libraries_get_their_share_of_the_cores(photos_at_once: int) -> None:
    command = [sys.executable, "-c", PROGRAM, str(photos_at_once)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    counts = [int(word) for word in output.split()]
    if photos_at_once == 1:
        assert len(set(counts)) == 1
    else:
        assert counts == [1, 1, 1, 1]
