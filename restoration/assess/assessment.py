"""What the assessment says of a photograph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Assessment:
    """Measured degradations of one photograph; several may be present at once.

    A confidence is in [0, 1]: how sure the measurement is, not how strong the degradation.

    Attributes:
        noise_sigma: standard deviation of the noise in 8-bit units.
        noise_confidence: of `noise_sigma`.
        blur_sigma: blur as the sigma, in pixels, of the Gaussian that does the same.
        blur_confidence: of `blur_sigma`.
        is_monochrome: gray, or toned with a single hue (sepia, cyanotype), whatever the file's
            mode says.
        monochrome_confidence: of `is_monochrome`.
    """

    noise_sigma: float
    noise_confidence: float
    blur_sigma: float
    blur_confidence: float
    is_monochrome: bool
    monochrome_confidence: float
