"""CPU time of everything on a photo's way that is neither network nor file format.

One thread; medians of CPU milliseconds per photo. What became of the photos is a smooth picture
with a little noise. Buffers are kept between calls, as in a run.

python -m tests.benchmarks.speed.measures [--photos 4] [--megapixels 2] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from restoration.allocator import keep_freed_memory
from restoration.assess import assess
from restoration.assess.edges import edge_statistics
from restoration.assess.monochrome import estimate_monochrome
from restoration.assess.spectrum import block_statistics
from restoration.assess.windows import measured_windows
from restoration.blend import like
from restoration.blockiness import blockiness
from restoration.codec import decode
from restoration.codec.colour_management import from_srgb, to_srgb
from restoration.codec.icc import built_in
from restoration.codec.pages import ColourModel
from restoration.colour import luma8
from restoration.colour_difference import mean_difference
from restoration.evidence import gather
from restoration.faces import find_faces
from restoration.guards import check_restored
from restoration.harm import judge
from restoration.measures import measures_of
from restoration.naturalness import naturalness
from restoration.plan import Step, make_plan
from restoration.quality import colourfulness, measure, psnr_db, ssim
from restoration.restore import Restored
from restoration.samples import Samples, are_equal
from tests.benchmarks.speed.photos import make_photos
from tests.scenes import noisy

P3 = built_in("p3")
Case = Callable[[Samples, Samples], object]


def whole_way(photo: Samples, restored: Samples) -> object:
    """All measuring of a photo that is denoised."""
    assessment = assess(photo)
    plan = make_plan(assessment, (Step.DENOISE,))
    pixels = like(photo, restored)
    check_restored(photo, pixels, noise_sigma=assessment.noise_sigma)
    are_equal(pixels, photo)
    judgement = judge(measures_of(photo, assessment), measures_of(pixels), (Step.DENOISE,))
    are_equal(pixels, photo)
    return gather(photo, assessment, plan, Restored(pixels, None, judgement=judgement))


def wide_gamut(photo: Samples, restored: Samples) -> object:
    """A page in Display P3 to sRGB and back."""
    before, _ = to_srgb(photo, ColourModel.RGB, P3)
    return from_srgb(photo, before, restored.astype(np.uint16) * 257, ColourModel.RGB, P3)


CASES: dict[str, Case] = {
    "windows": lambda photo, _: measured_windows(photo),
    "edges": lambda photo, _: edge_statistics(measured_windows(photo)),
    "blocks": lambda photo, _: block_statistics(measured_windows(photo)),
    "monochrome": lambda photo, _: estimate_monochrome(photo, 20),
    "assessment": lambda photo, _: assess(photo),
    "blockiness": lambda photo, _: blockiness(photo),
    "NIQE": lambda photo, _: naturalness(photo),
    "luma": lambda photo, _: luma8(photo),
    "colourfulness": lambda photo, _: colourfulness(photo),
    "quality": lambda photo, _: measure(photo),
    "PSNR": psnr_db,
    "SSIM": ssim,
    "CIEDE2000": mean_difference,
    "faces": lambda photo, _: find_faces(photo),
    "guards": lambda photo, restored: check_restored(photo, restored, noise_sigma=20),
    "measures of the result": lambda _, restored: measures_of(restored),
    "Display P3 there and back": wide_gamut,
    "whole way": whole_way,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--megapixels", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    keep_freed_memory()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder, "photos"), arguments.photos, arguments.megapixels)
        photos = [decoded(path) for path in sorted(Path(folder, "photos").iterdir())]
    pairs = [(photo, restored_like(photo, seed)) for seed, photo in enumerate(photos)]
    for name, case in CASES.items():
        case(*pairs[0])
        taken = [cpu_ms(case, *pair) for _ in range(arguments.rounds) for pair in pairs]
        print(f"{name:26} {statistics.median(taken):7.1f} ms")


def decoded(path: Path) -> Samples:
    with path.open("rb") as file:
        return decode(file).pixels


def restored_like(photo: Samples, seed: int) -> Samples:
    smooth = np.asarray(cv2.bilateralFilter(photo, 9, 60, 3), np.uint8)
    return noisy(smooth, 1, seed=seed)


def cpu_ms(case: Case, photo: Samples, restored: Samples) -> float:
    started = time.thread_time()
    case(photo, restored)
    return 1e3 * (time.thread_time() - started)


if __name__ == "__main__":
    main()
