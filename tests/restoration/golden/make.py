"""What the shipped models make of three small crops of the sample archive.

python -m tests.restoration.golden.make        # after a deliberate change of weights
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from restoration.assess import Assessment
from restoration.colour import luma8
from restoration.plan import Step, make_plan
from restoration.resources import Resources
from restoration.restore import Job, Restored, Restorer

HERE = Path(__file__).parent
ARCHIVE = HERE.parents[1] / "sample_archive"
CROPS = {
    Step.DENOISE: ("farms/dust-bowl-home (noisy scan).jpg", (500, 260, 660, 390)),
    Step.DEBLUR: ("alps/french-alpine-landscape (out of focus).png", (480, 170, 640, 290)),
    Step.COLORIZE: ("expeditions/長崎/和船 – boats.jpg", (380, 100, 620, 420)),
}


def restored_crop(step: Step) -> np.ndarray:
    """One step, and no other, on its crop."""
    name, box = CROPS[step]
    with Image.open(ARCHIVE / name) as image:
        pixels = np.asarray(image.crop(box))
    if step is Step.COLORIZE:
        pixels = luma8(pixels)
    plan = make_plan(Assessment(20, 1, 2, 1, True, 1), (step,))
    exact = Restorer(torch.device("cpu"), resources=Resources(precision="fp32"))
    (result,) = exact.restore([Job(pixels, plan, 20)])
    assert isinstance(result, Restored), result
    made = result.colorized if step is Step.COLORIZE else result.pixels
    assert made is not None
    return made


def main() -> None:
    for step in CROPS:
        Image.fromarray(restored_crop(step)).save(HERE / f"{step}.png")


if __name__ == "__main__":
    main()
