"""Other people's assessments, measured in the same run where their packages are installed."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.assess import NOISY_SIGMA
from restoration.colour import luma8
from restoration.evaluation.assessment import Judge, SigmaEstimator
from restoration.evaluation.assessment_report import Verdict

Byte = NDArray[np.uint8]


BLURRED_LAPLACIAN_VARIANCE: Final = 100.0
"""Below this variance of the Laplacian (8-bit units) tutorials call a photograph blurred."""


def peer_judges() -> dict[str, Judge]:
    """Methods that decide whether photographs are noisy, blurred or gray, by name."""
    judges: dict[str, Judge] = {"OpenCV Laplacian": laplacian_verdicts}
    if find_spec("skimage"):
        judges["scikit-image"] = scikit_image_verdicts
    if find_spec("cleanvision"):
        judges["cleanvision"] = cleanvision_verdicts
    return judges


def missing_packages() -> list[str]:
    """What is not installed of that which peers need."""
    needed = {"skimage": "scikit-image", "cleanvision": "cleanvision"}
    return [package for module, package in needed.items() if find_spec(module) is None]


def peer_noise_estimators() -> dict[str, SigmaEstimator]:
    """Methods that estimate the noise sigma, by name."""
    return {"scikit-image": scikit_image_sigma} if find_spec("skimage") else {}


def scikit_image_sigma(photo: Byte) -> float:
    """Noise sigma by the median of the finest wavelet coefficients, mean of the channels.

    Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994.
    """
    from skimage.restoration import estimate_sigma

    return float(estimate_sigma(photo, channel_axis=-1, average_sigmas=True))


def scikit_image_verdicts(photos: Sequence[Byte]) -> list[Verdict]:
    """Noisy from our own threshold on, by scikit-image's estimate; it has none of blur."""
    return [Verdict(is_noisy=scikit_image_sigma(photo) >= NOISY_SIGMA) for photo in photos]


def laplacian_verdicts(photos: Sequence[Byte]) -> list[Verdict]:
    """Blurred where the Laplacian of the luma varies little.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study",
    ICPR 2000.
    """
    return [
        Verdict(
            is_blurred=float(cv2.Laplacian(luma8(photo), cv2.CV_64F).var())
            < BLURRED_LAPLACIAN_VARIANCE
        )
        for photo in photos
    ]


def cleanvision_verdicts(photos: Sequence[Byte]) -> list[Verdict]:
    """Cleanvision's verdicts at its own thresholds; it has none on noise.

    It reads files, so the photographs are written losslessly into a temporary folder.
    """
    from cleanvision import Imagelab

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{index:06}.png") for index in range(len(photos))]
        for path, photo in zip(paths, photos, strict=True):
            turned = photo if photo.ndim == 2 else photo[..., ::-1]
            cv2.imwrite(path, turned, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        # Its progress bar is not ours to show.
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            lab = Imagelab(filepaths=paths, verbose=False)
            lab.find_issues({"blurry": {}, "grayscale": {}}, n_jobs=1, verbose=False)
        issues = lab.issues.loc[paths]
    return [
        Verdict(is_blurred=bool(blurred), is_monochrome=bool(gray))
        for blurred, gray in zip(
            issues["is_blurry_issue"], issues["is_grayscale_issue"], strict=True
        )
    ]
