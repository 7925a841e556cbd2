"""How well the assessment recognises known degradations of clean photographs.

Each photograph is degraded in known ways and assessed blindly. Decisions (noisy, blurred,
monochrome) are those that the pipeline would take, confidence included; estimates (noise sigma,
blur sigma) are compared with the truth; confidences with how often the estimate was near enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from restoration.assess import Assessment, assess
from restoration.assess.scales import BLUR_SCALE, NOISE_SCALE
from restoration.colour import as_gray
from restoration.evaluation import assessment_cases as cases
from restoration.evaluation.assessment_cases import Case
from restoration.evaluation.assessment_report import (
    AssessmentReport,
    DecisionScore,
    FalseAlarms,
    ReliabilityBin,
    SigmaError,
    Verdict,
)
from restoration.plan import Step, make_plan
from restoration.training.degradations import jpeg_round_trip

Byte = NDArray[np.uint8]
Assessor = Callable[[Byte], Assessment]
SigmaEstimator = Callable[[Byte], float]

DECISION_NOISE_SIGMA = 25.0
DECISION_BLUR_SIGMA = 2.0
GRAY_JPEG_QUALITY = 75
CONFIDENCE_BINS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0)

OURS = "restore-archive"


Judge = Callable[[Sequence[Byte]], Sequence[Verdict]]
Verdicts = dict[str, Sequence[Verdict]]
"""Of the clean photographs, by judge."""


@dataclass(frozen=True)
class _Measured:
    """One estimate with its truth."""

    case: Case
    photo: int
    estimate: float
    confidence: float


def evaluate_assessment(
    photos: Sequence[Byte],
    seed: int = 0,
    assessor: Assessor = assess,
    judges: dict[str, Judge] | None = None,
    noise_estimators: dict[str, SigmaEstimator] | None = None,
) -> AssessmentReport:
    """Score the assessment on clean, sharp colour photographs.

    Args:
        photos: arrays (H, W, 3) R'G'B', uint8.
        seed: of everything that is drawn.
        assessor: what to score.
        judges: peers' decisions, by name.
        noise_estimators: peers' estimates of the noise sigma, by name.

    Returns:
        Decisions, false alarms, estimation errors and reliability, as rows.

    Raises:
        ValueError: there is no photograph.
    """
    if not photos:
        raise ValueError("no photographs to evaluate the assessment on")
    by_texture = np.argsort([cases.texture_strength(photo) for photo in photos], kind="stable")
    textured = frozenset(int(i) for i in by_texture[-max(1, len(photos) // 3) :])
    noise = _measure(
        photos, cases.noise_cases(), seed, lambda a: (a.noise_sigma, a.noise_confidence), assessor
    )
    soft = _measure(
        photos, cases.blur_cases(), seed, lambda a: (a.blur_sigma, a.blur_confidence), assessor
    )
    errors = _errors(OURS, "noise", noise, textured) + _errors(OURS, "blur", soft, textured)
    for name, estimate in (noise_estimators or {}).items():
        of_peer = [
            _Measured(case, index, estimate(_degraded(photo, case, index, seed)), 0.0)
            for case in cases.noise_cases()
            for index, photo in enumerate(photos)
        ]
        errors += _errors(name, "noise", of_peer, textured)
    everyone = {OURS: _own_judge(assessor)} | (judges or {})
    clean = {name: judge(photos) for name, judge in everyone.items()}
    return AssessmentReport(
        len(photos),
        _decisions(photos, everyone, clean, seed),
        _false_alarms(photos, everyone, clean, seed),
        tuple(errors),
        _reliability("noise", noise) + _reliability("blur", soft),
    )


def _own_judge(assessor: Assessor) -> Judge:
    def judge(photos: Sequence[Byte]) -> list[Verdict]:
        found = [assessor(photo) for photo in photos]
        steps = [make_plan(assessment).steps for assessment in found]
        return [
            Verdict(Step.DENOISE in planned, Step.DEBLUR in planned, assessment.is_monochrome)
            for assessment, planned in zip(found, steps, strict=True)
        ]

    return judge


def _degraded(photo: Byte, case: Case, index: int, seed: int) -> Byte:
    # A generator of its own for each photograph: rows do not depend on the rows before them.
    return case.degrade(photo, np.random.default_rng([seed, index, round(100 * case.level)]))


def _measure(
    photos: Sequence[Byte],
    degradations: Iterable[Case],
    seed: int,
    read: Callable[[Assessment], tuple[float, float]],
    assessor: Assessor,
) -> list[_Measured]:
    return [
        _Measured(case, index, *read(assessor(_degraded(photo, case, index, seed))))
        for case in degradations
        for index, photo in enumerate(photos)
    ]


def _is_near(quantity: str, level: float, estimate: float) -> bool:
    scale = NOISE_SCALE if quantity == "noise" else BLUR_SCALE
    return abs(estimate - level) <= scale.tolerance(level)


def _errors(
    method: str, quantity: str, measured: Sequence[_Measured], textured: frozenset[int]
) -> list[SigmaError]:
    groups: dict[tuple[str, float], list[_Measured]] = {}
    for one in measured:
        groups.setdefault((one.case.name, one.case.level), []).append(one)
    rows = []
    for (name, level), group in groups.items():
        errors = [abs(one.estimate - level) for one in group]
        rows.append(
            SigmaError(
                method,
                quantity,
                name,
                level,
                float(np.mean([one.estimate for one in group])),
                float(np.mean(errors)),
                float(np.mean([abs(m.estimate - level) for m in group if m.photo in textured])),
                float(np.mean([_is_near(quantity, level, one.estimate) for one in group])),
            )
        )
    return rows


def _reliability(quantity: str, measured: Sequence[_Measured]) -> tuple[ReliabilityBin, ...]:
    confidence = np.array([one.confidence for one in measured])
    near = np.array([_is_near(quantity, one.case.level, one.estimate) for one in measured])
    rows = []
    for low, high in pairwise(CONFIDENCE_BINS):
        inside = (confidence >= low) & ((confidence < high) | (high == CONFIDENCE_BINS[-1]))
        if inside.any():
            mean, share = float(confidence[inside].mean()), float(near[inside].mean())
            rows.append(ReliabilityBin(quantity, low, high, int(inside.sum()), mean, share))
    return tuple(rows)


def _score(
    method: str, name: str, found: Sequence[bool | None], alarms: Sequence[bool | None]
) -> list[DecisionScore]:
    if any(verdict is None for verdict in (*found, *alarms)):
        return []
    hits, false = sum(map(bool, found)), sum(map(bool, alarms))
    precision = hits / (hits + false) if hits + false else float("nan")
    return [DecisionScore(method, name, len(found), hits / len(found), precision)]


def _decisions(
    photos: Sequence[Byte], judges: dict[str, Judge], clean: Verdicts, seed: int
) -> tuple[DecisionScore, ...]:
    rng = np.random.default_rng(seed)
    sigma, soft, quality = DECISION_NOISE_SIGMA, DECISION_BLUR_SIGMA, GRAY_JPEG_QUALITY
    noisy = [cases.noisy(photo, sigma, rng) for photo in photos]
    blurred = {
        level: [cases.blurred(photo, level, 0, rng) for photo in photos]
        for level in (soft, 2 * soft)
    }
    tones = {
        "gray": [as_gray(photo) for photo in photos],
        "sepia": [cases.sepia(photo) for photo in photos],
        f"gray, JPEG {quality}": [jpeg_round_trip(as_gray(p), quality) for p in photos],
        f"sepia, JPEG {quality}": [jpeg_round_trip(cases.sepia(p), quality) for p in photos],
        f"gray, colour noise {sigma:g}": [cases.noisy(as_gray(p), sigma, rng) for p in photos],
    }
    questions: list[tuple[str, list[Byte], Callable[[Verdict], bool | None]]] = [
        (f"noisy: white noise sigma {sigma:g} against clean", noisy, lambda v: v.is_noisy)
    ]
    for level, images in blurred.items():
        name = f"blurred: Gaussian sigma {level:g} px against sharp"
        questions.append((name, images, lambda v: v.is_blurred))
    for tone, images in tones.items():
        questions.append((f"monochrome: {tone} against colour", images, lambda v: v.is_monochrome))
    rows: list[DecisionScore] = []
    for method, judge in judges.items():
        for name, images, read in questions:
            found = [read(verdict) for verdict in judge(images)]
            rows += _score(method, name, found, [read(verdict) for verdict in clean[method]])
    return tuple(rows)


def _false_alarms(
    photos: Sequence[Byte], judges: dict[str, Judge], clean: Verdicts, seed: int
) -> tuple[FalseAlarms, ...]:
    rng = np.random.default_rng(seed)
    sound = {
        "portraits with a blurred background": [cases.bokeh(photo, rng) for photo in photos],
        "evenest part of each photograph": [cases.evenest_crop(photo) for photo in photos],
        "clean skies, banded": [
            cases.sky(*photo.shape[:2], dithered=False, rng=rng) for photo in photos
        ],
        "clean skies, dithered": [
            cases.sky(*photo.shape[:2], dithered=True, rng=rng) for photo in photos
        ],
    }

    def count(verdicts: Sequence[bool | None]) -> int | None:
        return None if None in verdicts else sum(map(bool, verdicts))

    verdicts = {"clean photographs": clean} | {
        name: {method: judge(images) for method, judge in judges.items()}
        for name, images in sound.items()
    }
    return tuple(
        FalseAlarms(
            method,
            name,
            len(found),
            count([verdict.is_noisy for verdict in found]),
            count([verdict.is_blurred for verdict in found]),
        )
        for name, by_method in verdicts.items()
        for method, found in by_method.items()
    )
