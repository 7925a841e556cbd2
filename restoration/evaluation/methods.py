"""What is compared: our networks, the degraded photograph itself, and the true one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from restoration.colorize import colorize
from restoration.colour import as_gray, luma8
from restoration.execution import engine_for
from restoration.models import Model
from restoration.shake import remove_shake
from restoration.tiling import Tiling, run_tiled
from restoration.training.degradations import Float

Byte = NDArray[np.uint8]

INPUT: Final = "input"
TRUE_PHOTOS: Final = "true photos"
"""Names of the two rows to compare with."""


@dataclass(frozen=True)
class Truth:
    """What only a simulation knows of a degraded photograph.

    Attributes:
        clean: the photograph before it was degraded, (H, W, 3) or (H, W) uint8.
        sigma: standard deviation of the noise, 8-bit units.
        kernel: what it was convolved with; None where it is sharp.
    """

    clean: Byte = field(repr=False)
    sigma: float = 0.0
    kernel: Float | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Method:
    """A named way to restore a photograph.

    Attributes:
        name: shown in tables; says so where the method is told something of the truth.
        restore: maps (H, W, 3) or (H, W) uint8 to the same shape; blind methods ignore the truth.
        parameters: trained numbers; None where nothing is trained.
        gmac_per_megapixel: 10^9 multiply-accumulates per 10^6 pixels of the network's input; None
            where there is no network.
        weights_sha256: of the weights file; "" where there is none.
        is_reference: a row to compare with (the input, the true photographs), not a method.
    """

    name: str
    restore: Callable[[Byte, Truth], Byte]
    parameters: int | None = None
    gmac_per_megapixel: float | None = None
    weights_sha256: str = ""
    is_reference: bool = False


def network_method(model: Model, name: str, weights_sha256: str, *, passes: int = 1) -> Method:
    """A network of ours: as in production, tiled, and a gray photograph stays gray.

    Args:
        model: the network; in fp32 unless it says otherwise.
        name: shown in tables.
        weights_sha256: of its file.
        passes: how often it does a photo that it restores, see `restoration.self_ensemble`.
    """
    tiling = Tiling.suited_to(model.network.config)

    def restore(image: Byte, _truth: Truth) -> Byte:
        if image.ndim == 2:
            return luma8(_tiled(as_gray(image)))
        return _tiled(image)

    def _tiled(image: Byte) -> Byte:
        restored = run_tiled(model, [image], tiling, engine_for(model.device), passes=passes)[0]
        if model.card.task == "deblur":
            restored = remove_shake(image, restored, model.device).pixels
        return restored.astype(np.uint8, copy=False)

    def add_colour(image: Byte, _truth: Truth) -> Byte:
        return colorize(luma8(image), model)

    return Method(
        name,
        add_colour if model.card.task == "colorize" else restore,
        model.card.parameters,
        passes * model.card.gmac_per_megapixel,
        weights_sha256,
    )


def untouched() -> Method:
    """The degraded photograph itself."""
    return Method(INPUT, lambda image, _truth: image, is_reference=True)


def true_photo() -> Method:
    """The clean photograph: says how much colour there is to find."""
    return Method(TRUE_PHOTOS, lambda _image, truth: truth.clean, is_reference=True)
