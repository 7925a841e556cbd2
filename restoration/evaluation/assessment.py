"""How well the assessment recognises known degradations of clean photographs.

Each photograph is degraded in known ways and assessed blindly. Three decisions are scored
against the untouched photograph (noisy, blurred, monochrome), two estimates against the truth
(noise sigma, blur sigma).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restoration.assess import BLURRED_SIGMA, NOISY_SIGMA, Assessment, assess
from restoration.training.degradations import (
    blur,
    film_grain,
    gaussian_kernel,
    jpeg_round_trip,
    luma,
    quantise,
    white_noise,
)

Byte = NDArray[np.uint8]
Assessor = Callable[[Byte], Assessment]

DECISION_NOISE_SIGMA = 25.0
DECISION_BLUR_SIGMA = 2.0
NOISE_SIGMAS = (0.0, 5.0, 10.0, 15.0, 25.0, 35.0, 50.0)
GRAIN_SIGMAS = (5.0, 10.0, 20.0)
GRAIN_RADIUS = 0.8
BLUR_SIGMAS = (0.8, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0)
BLUR_NOISE_SIGMAS = (0.0, 2.55, 10.0)
GRAY_JPEG_QUALITY = 75

SEPIA_SHADOW = np.array([28.0, 16.0, 8.0], np.float32)
SEPIA_HIGHLIGHT = np.array([250.0, 232.0, 196.0], np.float32)
"""R'G'B' of the ends of the toned scale: a sepia print's dark brown and yellowed paper."""


@dataclass(frozen=True)
class DecisionScore:
    """Score of one yes-or-no decision.

    Attributes:
        name: what is decided, and from what it is told.
        positives: number of degraded photographs; there is one untouched one for each.
        recall: share of the degraded photographs that were recognised.
        precision: share of the recognised ones that were degraded; nan if none was recognised.
    """

    name: str
    positives: int
    recall: float
    precision: float


@dataclass(frozen=True)
class SigmaError:
    """Error of one estimate at one level of degradation.

    Attributes:
        name: what is estimated.
        level: true sigma: 8-bit units of noise, pixels of blur.
        noise_sigma: white noise added on top of the blur, 8-bit units; 0 for noise estimates.
        mean_estimate: mean of the estimates, unit as `level`.
        mean_absolute_error: mean of |estimate - level|, unit as `level`.
        mean_relative_error: the same over `level`; nan at level 0.
    """

    name: str
    level: float
    noise_sigma: float
    mean_estimate: float
    mean_absolute_error: float
    mean_relative_error: float


@dataclass(frozen=True)
class AssessmentReport:
    """All that `evaluate_assessment` measures.

    Attributes:
        photos: number of photographs.
        decisions: one row per decision.
        errors: one row per estimate and level.
    """

    photos: int
    decisions: tuple[DecisionScore, ...]
    errors: tuple[SigmaError, ...]


def gray(photo: Byte) -> Byte:
    """Luma of an (H, W, 3) photograph repeated in three channels."""
    return quantise(np.repeat(luma(photo)[..., None], 3, axis=2))


def sepia(photo: Byte) -> Byte:
    """Tone an (H, W, 3) photograph: its luma between dark brown and yellowed paper."""
    share = luma(photo)[..., None] / np.float32(255)
    return quantise(SEPIA_SHADOW + share * (SEPIA_HIGHLIGHT - SEPIA_SHADOW))


def _noisy(photo: Byte, sigma: float, rng: np.random.Generator) -> Byte:
    return quantise(white_noise(photo.astype(np.float32), sigma, rng))


def _blurred(photo: Byte, sigma: float, noise_sigma: float, rng: np.random.Generator) -> Byte:
    soft = blur(photo.astype(np.float32), gaussian_kernel(sigma))
    return quantise(white_noise(soft, noise_sigma, rng))


def _score(name: str, found: Sequence[bool], false_alarms: Sequence[bool]) -> DecisionScore:
    hits, alarms = sum(found), sum(false_alarms)
    precision = hits / (hits + alarms) if hits + alarms else float("nan")
    return DecisionScore(name, len(found), hits / len(found), precision)


def _error(name: str, level: float, noise_sigma: float, estimates: Sequence[float]) -> SigmaError:
    absolute = float(np.mean([abs(estimate - level) for estimate in estimates]))
    relative = absolute / level if level else float("nan")
    return SigmaError(name, level, noise_sigma, float(np.mean(estimates)), absolute, relative)


def _decisions(
    photos: Sequence[Byte], assessor: Assessor, rng: np.random.Generator
) -> tuple[DecisionScore, ...]:
    clean = [assessor(photo) for photo in photos]
    noisy = [assessor(_noisy(photo, DECISION_NOISE_SIGMA, rng)) for photo in photos]
    soft = [assessor(_blurred(photo, DECISION_BLUR_SIGMA, 0.0, rng)) for photo in photos]
    rows = [
        _score(
            f"noisy: white noise sigma {DECISION_NOISE_SIGMA:g} against clean",
            [a.noise_sigma >= NOISY_SIGMA for a in noisy],
            [a.noise_sigma >= NOISY_SIGMA for a in clean],
        ),
        _score(
            f"blurred: Gaussian sigma {DECISION_BLUR_SIGMA:g} px against sharp",
            [a.blur_sigma >= BLURRED_SIGMA for a in soft],
            [a.blur_sigma >= BLURRED_SIGMA for a in clean],
        ),
    ]
    alarms = [a.is_monochrome for a in clean]
    tones: tuple[tuple[str, Callable[[Byte], Byte]], ...] = (
        ("gray", gray),
        ("sepia", sepia),
        (f"gray, JPEG {GRAY_JPEG_QUALITY}", lambda p: jpeg_round_trip(gray(p), GRAY_JPEG_QUALITY)),
        (
            f"sepia, JPEG {GRAY_JPEG_QUALITY}",
            lambda p: jpeg_round_trip(sepia(p), GRAY_JPEG_QUALITY),
        ),
        ("gray, colour noise sigma 25", lambda p: _noisy(gray(p), 25.0, rng)),
    )
    rows.extend(
        _score(
            f"monochrome: {name} against colour",
            [assessor(tone(photo)).is_monochrome for photo in photos],
            alarms,
        )
        for name, tone in tones
    )
    return tuple(rows)


def _noise_errors(
    photos: Sequence[Byte], assessor: Assessor, rng: np.random.Generator
) -> list[SigmaError]:
    rows = [
        _error(
            "white noise",
            sigma,
            0.0,
            [assessor(_noisy(photo, sigma, rng)).noise_sigma for photo in photos],
        )
        for sigma in NOISE_SIGMAS
    ]
    for sigma in GRAIN_SIGMAS:
        grained = (
            quantise(film_grain(photo.astype(np.float32), sigma, GRAIN_RADIUS, rng))
            for photo in photos
        )
        rows.append(
            _error("film grain", sigma, 0.0, [assessor(image).noise_sigma for image in grained])
        )
    return rows


def _blur_errors(
    photos: Sequence[Byte], assessor: Assessor, rng: np.random.Generator
) -> list[SigmaError]:
    return [
        _error(
            "Gaussian blur",
            sigma,
            noise_sigma,
            [assessor(_blurred(photo, sigma, noise_sigma, rng)).blur_sigma for photo in photos],
        )
        for noise_sigma in BLUR_NOISE_SIGMAS
        for sigma in BLUR_SIGMAS
    ]


def evaluate_assessment(
    photos: Sequence[Byte], seed: int = 0, assessor: Assessor = assess
) -> AssessmentReport:
    """Score the assessment on clean, sharp colour photographs.

    Args:
        photos: arrays (H, W, 3) R'G'B', uint8.
        seed: of the noise that is added.
        assessor: what to score; thresholds are those of `restoration.assess`.

    Returns:
        Decision scores and estimation errors, as rows.

    Raises:
        ValueError: there is no photograph.
    """
    if not photos:
        raise ValueError("no photographs to evaluate the assessment on")
    rng = np.random.default_rng(seed)
    decisions = _decisions(photos, assessor, rng)
    errors = _noise_errors(photos, assessor, rng) + _blur_errors(photos, assessor, rng)
    return AssessmentReport(len(photos), decisions, tuple(errors))
