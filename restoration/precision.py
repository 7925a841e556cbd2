"""The numbers that networks calculate with.

Weights are kept in 32 bits. With less, convolutions take 16-bit factors and add up in 32 bits
(autocast); what a network makes of a photo then differs by less than its file's own rounding: see
`TOLERANCE`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from restoration.errors import UsageError


class Precision(StrEnum):
    """Of the factors in a network's convolutions."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


AUTO: Final = "auto"
PRECISIONS: Final = (AUTO, *Precision)
"""What a user may ask for."""

TOLERANCE: Final = 3.0
"""Largest difference of a restored photo's samples from those of fp32, in 8-bit levels.

Of 24 photographs of CBSD68 with noise of sigma 15 to 50 or blur of 1.6 px, the shipped networks
differ by 1.8 levels at most in bf16, by 0.03 to 0.22 on average, and their PSNR by 0.005 dB at most
(`python -m tests.benchmarks.speed.runtimes`).
"""


def check_precision(wanted: str) -> None:
    """Refuse what is not one of `PRECISIONS`.

    Raises:
        UsageError: it is not.
    """
    if wanted not in PRECISIONS:
        raise UsageError(f"unknown --precision {wanted!r}; one of {', '.join(PRECISIONS)}")
