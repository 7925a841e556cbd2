"""Which photographs a person should look at, and why.

A flag that is up too often is not looked at any more. Thresholds were therefore chosen so that
among the photographs of an ordinary archive one in ten is flagged, on: 34 old photographs and
prints (autochromes, albumen and gelatin silver prints, press photographs of 1890-1960, family
prints with cracks and silk paper), looked at one by one; 373 sound photographs (CID22, CBSD68,
CLIC, 56 others), of which hardly any should be flagged; CBSD68 with noise of 5-50 and blur of
1.6-2.4 px; and the colours given to 107 photographs.

A reason is a sentence of fixed words with the figures in brackets behind it, so that reasons can be
counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from restoration.assess import Assessment
from restoration.colorize import LARGEST_CAST
from restoration.evidence import Evidence
from restoration.plan import Plan, Step
from restoration.restore import KEPT_ANYWAY, WITHHELD, Restored

STRONG_CHANGE_PSNR_DB: Final = 25.0
"""Below: a root mean square change of 14 levels of 255. Noise of sigma 15 that is taken away
measures 25.4, of 25 20.9; the old photographs 30 and more."""

STRONG_CHANGE_DELTA_E00: Final = 10.0
"""Above, on average. Colour noise of sigma 5 that is taken away measures 3.5, of 10 7, of 25 15;
the old photographs at most 4.5."""

FACE_SSIM: Final = 0.85
"""Below it a face has been redrawn. The old photographs measure 0.99 and more; on CBSD68 noise of
25 and blur of 2.4 px bring faces of 40 pixels to 0.7-0.8, of 100-150 pixels to 0.94 and 0.82."""

SHAKY: Final = 0.68
"""Confidence below which a step ran on a shaky measurement (from 0.55 on steps run). Of the 11
steps that would run on 373 sound photographs, most of them on texture that is taken for grain, 8
have less. So had three old photographs: silk paper, the starch grains of an autochrome, a rough
print."""

SHAKY_MONOCHROME: Final = 0.5
"""The same for what was given colour. Of the 26 old photographs that are, one has less (0.45)."""

STRONG_NOISE: Final = 8.0
STRONG_BLUR: Final = 2.0
"""8-bit units and pixels from which it matters that nothing was done, for want of certainty. Of the
373 sound photographs 2 read so."""

UNSURE_OF_BLUR: Final = 0.2
"""Confidence below which blur is no measurement: an even sky, fog."""

UNCERTAIN_COLOUR: Final = 5.0
"""8-bit levels. Of the 26 old photographs that are given colours seven are above: a uniform and a
coat partly red, a violet sleeve, an aeroplane over orange ground. One that is wrong is not: a city
in orange fog (2.9)."""

GARISH: Final = 95.0
"""Colourfulness. 95 % of 373 true colour photographs have less than 90, and of 107 that were given
colours the most has 84."""

COLOURLESS: Final = 4.0
"""Colourfulness below which colour was given in name only. The least of 107 is 8."""


@dataclass(frozen=True)
class Review:
    """Whether a person should look at a photograph.

    Attributes:
        reasons: why, a sentence each.
    """

    reasons: tuple[str, ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether there is any reason."""
        return bool(self.reasons)


def review(assessment: Assessment, plan: Plan, result: Restored, evidence: Evidence) -> Review:
    """Decide whether a person should look at a page.

    Args:
        assessment: of the original.
        plan: what was to be done.
        result: what became of it.
        evidence: the measures.
    """
    reasons = (
        *_no_better(result),
        *_changed_much(evidence),
        *_shaky_steps(assessment, result),
        *_left_alone(assessment, plan, result),
        *_odd_colours(evidence),
    )
    return Review(reasons)


def _no_better(result: Restored) -> Iterator[str]:
    if result.judgement is None or not result.judgement.findings:
        return
    yield f"{WITHHELD if result.withheld else KEPT_ANYWAY} ({result.judgement.reason})"


def _changed_much(evidence: Evidence) -> Iterator[str]:
    change = evidence.change
    if change is None:
        return
    if change.psnr_db < STRONG_CHANGE_PSNR_DB or change.delta_e00 > STRONG_CHANGE_DELTA_E00:
        figures = f"PSNR {change.psnr_db:.1f} dB, CIEDE2000 {change.delta_e00:.1f}"
        yield f"the photo was changed strongly ({figures})"
    if change.faces_ssim is not None and change.faces_ssim < FACE_SSIM:
        yield f"a face was changed much (SSIM {change.faces_ssim:.2f}, faces {evidence.faces})"


def _shaky_steps(assessment: Assessment, result: Restored) -> Iterator[str]:
    """What ran, and is in the result, on a measurement that was not certain."""
    ran = {model.card.task for model in result.models}
    noise, blur = assessment.noise_confidence, assessment.blur_confidence
    if Step.DENOISE in ran and noise < SHAKY:
        figures = f"sigma {assessment.noise_sigma:.1f}, confidence {noise:.2f}"
        yield f"what was taken for noise and removed may be texture ({figures})"
    # Camera shake is borne out by the photo itself, not by this measurement.
    if Step.DEBLUR in ran and blur < SHAKY and not result.shaken:
        figures = f"sigma {assessment.blur_sigma:.1f} px, confidence {blur:.2f}"
        yield f"what was taken for blur and sharpened may be meant ({figures})"
    monochrome = assessment.monochrome_confidence
    if Step.COLORIZE in ran and monochrome < SHAKY_MONOCHROME:
        yield f"what was given colours may have had some (confidence {monochrome:.2f})"


def _left_alone(assessment: Assessment, plan: Plan, result: Restored) -> Iterator[str]:
    """What was strong and not certain enough to be touched."""
    ran = {model.card.task for model in result.models}
    noise, blur = assessment.noise_sigma, assessment.blur_sigma
    if plan.is_doubtful(Step.DENOISE) and noise >= STRONG_NOISE:
        figures = f"sigma {noise:.1f}, confidence {assessment.noise_confidence:.2f}"
        yield f"strong noise was left alone, because it was not certain ({figures})"
    is_doubtful = plan.is_doubtful(Step.DEBLUR) and Step.DEBLUR not in ran
    if is_doubtful and blur >= STRONG_BLUR and assessment.blur_confidence >= UNSURE_OF_BLUR:
        figures = f"sigma {blur:.1f} px, confidence {assessment.blur_confidence:.2f}"
        yield f"strong blur was left alone, because it was not certain ({figures})"


def _odd_colours(evidence: Evidence) -> Iterator[str]:
    colour = evidence.colour
    if colour is None:
        return
    if colour.uncertainty > UNCERTAIN_COLOUR:
        yield f"the colours are uncertain (tries are {colour.uncertainty:.1f} levels apart)"
    if colour.cast > LARGEST_CAST:
        yield f"the colours had a strong cast, which was weakened ({colour.cast:.0f} levels)"
    if colour.colourfulness > GARISH:
        yield f"the colours are garish (colourfulness {colour.colourfulness:.0f})"
    if colour.colourfulness < COLOURLESS:
        yield f"there is next to no colour (colourfulness {colour.colourfulness:.1f})"
    if colour.odd_faces:
        yield f"a face has no colour of skin (faces {colour.odd_faces} of {evidence.faces})"
