"""The numbers that networks calculate with.

Weights are kept in 32 bits. With less, convolutions take 16-bit factors and add up in 32 bits
(autocast); what a network makes of a photo then differs by less than its file's own rounding: see
`TOLERANCE`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Any, Final

import torch

from restoration.errors import UsageError


class Precision(StrEnum):
    """Of the factors in a network's convolutions."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> torch.dtype:
        """PyTorch's name of it."""
        return _DTYPES[self]


_DTYPES: Final = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}

AUTO: Final = "auto"
PRECISIONS: Final = (AUTO, *Precision)
"""What a user may ask for."""

TOLERANCE: Final = 3.0
"""Largest difference of a restored photo's samples from those of fp32, in 8-bit levels.

Of 24 photographs of CBSD68 with noise of sigma 15 to 50 or blur of 1.6 px, the shipped networks
differ by 1.8 levels at most in bf16, by 0.03 to 0.22 on average, and their PSNR by 0.005 dB at most
(`python -m tests.benchmarks.speed.runtimes`).
"""

_FAST_BF16: Final = ("avx512_bf16", "amx_bf16")
"""Instruction sets that multiply bf16; other processors convert, and take longer than in fp32."""


def resolve_precision(wanted: str, device: torch.device) -> Precision:
    """The precision in which networks run on a device.

    Args:
        wanted: one of `PRECISIONS`. auto is what the device calculates with beside fp32: fp16 on
            GPUs, bf16 on processors; fp32 where it is neither.
        device: where the networks run.

    Raises:
        UsageError: an unknown name, or one that the device does not calculate with.
    """
    check_precision(wanted)
    if wanted != AUTO:
        if wanted == Precision.FP16 and device.type == "cpu":
            raise UsageError("--precision fp16 is for GPUs; processors calculate with fp32 or bf16")
        return Precision(wanted)
    if device.type == "cuda":
        # Eight times as fine as bf16, and as fast. It ends at 65,504; of noise, chequerboards and
        # photographs, no layer of the shipped networks made more than 483.
        has_tensor_cores = torch.cuda.get_device_capability(device) >= (7, 0)
        return Precision.FP16 if has_tensor_cores else Precision.FP32
    return Precision.BF16 if _multiplies_bf16() else Precision.FP32


def check_precision(wanted: str) -> None:
    """Refuse what is not one of `PRECISIONS`.

    Raises:
        UsageError: it is not.
    """
    if wanted not in PRECISIONS:
        raise UsageError(f"unknown --precision {wanted!r}; one of {', '.join(PRECISIONS)}")


def calculating_in(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """A context in which networks on a device calculate with this precision."""
    if precision is Precision.FP32:
        return nullcontext()
    return torch.autocast(device.type, dtype=precision.dtype)


def _multiplies_bf16() -> bool:
    """Whether the processor does."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # where PyTorch is old, nobody knows
    known: dict[str, object] = ask() if ask is not None else {}
    return any(known.get(name) is True for name in _FAST_BF16)
