"""Everything that is measured of a photograph before and after, and of what lies between.

One place, so that what judges a result (`restoration.harm`, `restoration.review`) and what is
written down about it are the same figures, each measured once.
"""

from __future__ import annotations

from dataclasses import dataclass

from restoration.assess import Assessment
from restoration.assess.estimator import strengths_of_windows
from restoration.assess.scales import Estimate
from restoration.assess.windows import measured_windows
from restoration.blockiness import blockiness_of_windows
from restoration.colour_difference import mean_difference
from restoration.faces import Face, similarity
from restoration.naturalness import naturalness_of_windows
from restoration.quality import Quality, measure, psnr_db, ssim
from restoration.samples import Samples


@dataclass(frozen=True)
class Measures:
    """No-reference measures of one photograph.

    Attributes:
        noise: sigma in 8-bit units, with its confidence.
        blur: sigma in pixels, with its confidence.
        quality: sharpness, colourfulness, contrast and brightness.
        blockiness: see `restoration.blockiness`.
        naturalness: NIQE; None where the photograph is too small or even.
    """

    noise: Estimate
    blur: Estimate
    quality: Quality
    blockiness: float
    naturalness: float | None


@dataclass(frozen=True)
class Change:
    """How much one photograph differs from another.

    Attributes:
        psnr_db: at most 100, which is no difference.
        ssim: of the luma, in [-1, 1].
        delta_e00: mean CIEDE2000.
        faces_ssim: of the face that was changed most; None where there is none.
    """

    psnr_db: float
    ssim: float
    delta_e00: float
    faces_ssim: float | None = None


NO_CHANGE = Change(100.0, 1.0, 0.0)


def measures_of(pixels: Samples, assessment: Assessment | None = None) -> Measures:
    """Measure a photograph; of the larger ones windows, for what needs no more.

    Args:
        pixels: (H, W) or (H, W, 3) R'G'B', uint8 or uint16.
        assessment: of the same pixels, where it is known: what it holds is not measured again.

    Raises:
        WeightsError: weights of the assessment are missing or altered.
    """
    windows = measured_windows(pixels)
    if assessment is None:
        strengths = strengths_of_windows(windows)
        noise, blur = strengths.noise, strengths.blur
    else:
        noise = Estimate(assessment.noise_sigma, assessment.noise_confidence)
        blur = Estimate(assessment.blur_sigma, assessment.blur_confidence)
    quality = measure(pixels, noise_sigma=noise.sigma, windows=windows)
    return Measures(
        noise, blur, quality, blockiness_of_windows(windows), naturalness_of_windows(windows)
    )


def change_between(before: Samples, after: Samples, faces: tuple[Face, ...] = ()) -> Change:
    """Compare a photograph with what became of it.

    Args:
        before: (H, W) or (H, W, 3) R'G'B', uint8 or uint16.
        after: of that shape and type.
        faces: of `before`.
    """
    return Change(
        psnr_db(before, after),
        ssim(before, after),
        mean_difference(before, after),
        similarity(before, after, faces),
    )
