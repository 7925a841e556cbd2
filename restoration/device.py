"""Devices that networks run on, and what they calculate with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch

from restoration.errors import UsageError
from restoration.precision import AUTO, Precision, check_precision

DTYPES: Final = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}

_FAST_BF16: Final = ("avx512_bf16", "amx_bf16")
"""Instruction sets that multiply bf16; other processors convert, and take longer than in fp32."""


def resolve_device(name: str) -> torch.device:
    """Turn auto, cpu or cuda into a torch device.

    Raises:
        UsageError: an unknown name, or cuda where there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device on this machine; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def gpu_count() -> int:
    """CUDA devices of this machine that the process may use."""
    return torch.cuda.device_count()


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


def calculating_in(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """A context in which networks on a device calculate with this precision."""
    if precision is Precision.FP32:
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])


def _multiplies_bf16() -> bool:
    """Whether the processor does."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # where PyTorch is old, nobody knows
    known: dict[str, object] = ask() if ask is not None else {}
    return any(known.get(name) is True for name in _FAST_BF16)
