"""Do no harm: whether a restored photograph is better than what went in.

The guards (`restoration.guards`) refuse what is no photograph any more. This is the finer question:
whether the steps did what they were taken for, by the measures that they were taken on, and nothing
beside it. A photograph that is no better keeps its original.

All bounds were chosen on 206 restorations by the shipped networks (23 photographs of CBSD68 with
noise of 5-50, blur of 1.6-2.4 px, both, and JPEG; 34 old photographs), one of which is beyond them,
rightly so, and on 125 by damaged networks (weights times 1 ± 5-40 %, residuals times -1 to 3) whose
true gain in PSNR was known. The guards refuse 12 of these; of 38 others that lost, 36 are beyond
the bounds; of 67 that gained, 9: their PSNR is better, but they are covered with artefacts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from restoration.measures import Measures
from restoration.plan import Step

LEAST_DENOISED: Final = 0.7
"""Noise after denoising over noise before, above which it came to nothing.

Sound restorations leave at most 0.45 (strong texture), damaged ones that still gain up to 0.5. The
old print of which the network leaves all (paper texture that reads as noise) measures 1.04.
"""

LEAST_DEBLURRED: Final = 0.85
"""Blur after deblurring over blur before, above which it came to nothing. Sound restorations leave
at most 0.65."""

ADDED_NOISE: Final = (1.2, 0.8)
"""Noise may be so many times what it was, and so much more (8-bit units): the measurement's own
uncertainty. Sound restorations never add any; a deblur network turned against itself adds 1."""

LOST_CONTRAST: Final = 0.8
ADDED_CONTRAST: Final = 1.3
"""Contrast over that of the photograph without its noise. 0.97-1.17 of sound restorations of noise
up to 25. Where noise was stronger what is without it is not known, and only a loss counts."""

STRONG_NOISE: Final = 30.0
"""Noise (8-bit units) from which clipping hides how much contrast is the photograph's own."""

MOVED_BRIGHTNESS: Final = (2.0, 0.2)
"""8-bit units, and so much more for each unit of noise, which clipping has moved. Sound ones: 0.8
at most without noise, 2.1 with 25, 5.4 with 50."""

ADDED_BLOCKINESS: Final = 0.15
"""Sound restorations add up to 0.05: what deblurring sharpens, it sharpens in blocks, too."""

WORSE_NATURALNESS: Final = 1.1
WORSE_NATURALNESS_SHARPENED: Final = 1.5
"""NIQE after over before, without and with deblurring. Sound denoising: at most 0.97; sound
deblurring, which brings fine structure back, 1.25; of a network whose output is covered with
artefacts 1.7-3."""


@dataclass(frozen=True)
class Judgement:
    """What was made of a photograph, as it was measured.

    Attributes:
        before: of the photograph.
        after: of what the networks made of it, at full strength.
        steps: what was done, but for colour.
        findings: how it is no better, one sentence each with the figures; none where it is.
    """

    before: Measures
    after: Measures
    steps: tuple[Step, ...]
    findings: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why it is no better, in one line; "" where it is."""
        return f"{' and '.join(self.steps)}: {'; '.join(self.findings)}" if self.findings else ""


def judge(before: Measures, after: Measures, steps: Sequence[Step]) -> Judgement:
    """Compare what networks made of a photograph with what went in.

    Args:
        before: of the photograph.
        after: of what they made of it.
        steps: what was done, but for colour.

    Returns:
        The judgement; without findings where the photograph is too small or blank to be measured.
    """
    if before.noise.confidence == 0 and before.blur.confidence == 0:
        return Judgement(before, after, tuple(steps))
    findings = (*_not_done(before, after, steps), *_harmed(before, after, steps))
    return Judgement(before, after, tuple(steps), findings)


def _not_done(before: Measures, after: Measures, steps: Sequence[Step]) -> Iterator[str]:
    """Steps that did not do what they were taken for."""
    noise, less_noise = before.noise.sigma, after.noise.sigma
    if Step.DENOISE in steps and less_noise > LEAST_DENOISED * noise:
        yield f"the noise is hardly less: sigma {noise:.1f}, then {less_noise:.1f}"
    blur, less_blur = before.blur.sigma, after.blur.sigma
    if Step.DEBLUR in steps and less_blur > LEAST_DEBLURRED * blur:
        yield f"the blur is hardly less: sigma {blur:.2f} px, then {less_blur:.2f} px"


def _harmed(before: Measures, after: Measures, steps: Sequence[Step]) -> Iterator[str]:
    """What became worse beside it."""
    noise, more_noise = before.noise.sigma, after.noise.sigma
    times, more = ADDED_NOISE
    if Step.DENOISE not in steps and more_noise > times * noise + more:
        yield f"there is more noise: sigma {noise:.1f}, then {more_noise:.1f}"
    yield from _moved_tones(before, after)
    blocks, more_blocks = before.blockiness, after.blockiness
    if more_blocks > blocks + ADDED_BLOCKINESS:
        yield f"blocks are more visible: {blocks:.2f}, then {more_blocks:.2f}"
    if before.naturalness is None or after.naturalness is None:
        return
    sharpened = Step.DEBLUR in steps
    bound = WORSE_NATURALNESS_SHARPENED if sharpened else WORSE_NATURALNESS
    if after.naturalness > bound * before.naturalness:
        figures = f"NIQE {before.naturalness:.1f}, then {after.naturalness:.1f}"
        yield f"it looks less like a photograph: {figures}"


def _moved_tones(before: Measures, after: Measures) -> Iterator[str]:
    """Contrast and brightness, which no step is to change."""
    noise = before.noise.sigma
    contrast, new_contrast = before.quality.contrast, after.quality.contrast
    signal = max(contrast**2 - noise**2, 0.0) ** 0.5
    # A picture of next to nothing has no contrast to lose, and any is more.
    is_lost = new_contrast < LOST_CONTRAST * signal - 1
    is_added = noise < STRONG_NOISE and new_contrast > ADDED_CONTRAST * contrast + 1
    if is_lost or is_added:
        yield f"the contrast moved from {contrast:.0f} to {new_contrast:.0f}"
    shift = after.quality.brightness - before.quality.brightness
    fixed, by_noise = MOVED_BRIGHTNESS
    if abs(shift) > fixed + by_noise * noise:
        yield f"the brightness moved by {shift:+.1f} of 255"
