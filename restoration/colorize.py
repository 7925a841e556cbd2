"""Colour for monochrome photographs: chroma from a small picture, luma from the photo itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from restoration import scratch
from restoration.colour import BT601, CB_SCALE, CR_SCALE, join_chroma
from restoration.errors import GuardError
from restoration.models import Model
from restoration.samples import Depth, Samples, full_scale, sample_type, strips

Float = NDArray[np.float32]

WORKING_SIDE: Final = 160
"""Short side in pixels at which the network sees a photo: about what it was trained at."""
AGREEING_SIDES: Final = (128, 160, 208)
"""Working sizes whose predictions are averaged."""
LONGEST_WORKING_SIDE: Final = 1024
"""Bounds the working picture of very long panoramas."""
LARGEST_CAST: Final = 80.0
"""Between the means of two colour channels, 8-bit units. Seven true photographs in eight have less
(456 looked at; the median is 30), and `restoration.guards` refuses more than 100."""
_STRIP: Final = 512
_GUIDE_RADIUS: Final = 2
_GUIDE_EPSILON: Final = 0.02**2


@dataclass(frozen=True)
class Interpretation:
    """What colours a network gives a photograph, at the size at which it sees it.

    Attributes:
        luma: (h, w) float32 in [0, 1]: the working picture.
        chroma: (h, w, 2) float32: Cb and Cr in [-0.5, 0.5], casts weakened.
        uncertainty: root mean square distance of the single predictions' colours from their mean,
            averaged over the picture, 8-bit levels of Cb and Cr.
        cast: difference of the means of two channels before it was weakened, 8-bit levels.
    """

    luma: Float = field(repr=False)
    chroma: Float = field(repr=False)
    uncertainty: float
    cast: float


def colorize(luma: NDArray[Depth], model: Model) -> NDArray[Depth]:
    """Give a monochrome photograph colour without touching its luma: both steps below.

    Args:
        luma: (H, W), uint8 or uint16.
        model: a colorize model.

    Returns:
        (H, W, 3) of that type, whose luma is `luma`.

    Raises:
        GuardError: the network returned NaN or infinity.
    """
    return colorized_as(luma, interpret(luma, model))


def interpret(luma: Samples, model: Model) -> Interpretation:
    """Predict the colours of a monochrome photograph.

    Args:
        luma: (H, W), uint8 or uint16.
        model: a colorize model.

    Raises:
        GuardError: the network returned NaN or infinity.
    """
    small = _working_picture(luma, WORKING_SIDE)
    tries = _tried_chroma(luma, small.shape, model)
    agreed = np.asarray(tries.mean(axis=0), np.float32)
    apart = np.square(tries - agreed).sum(axis=-1).mean(axis=0)
    uncertainty = 255 * float(np.sqrt(apart).mean())
    return Interpretation(small, without_cast(agreed), uncertainty, cast_of(agreed))


def colorized_as(luma: NDArray[Depth], interpretation: Interpretation) -> NDArray[Depth]:
    """Lay predicted colours over a photograph at full resolution.

    A guided filter (He, Sun, Tang, "Guided Image
    Filtering", TPAMI 2013, in the subsampled form of He and Sun, "Fast Guided Filter", 2015)
    writes it as a locally linear function of the luma, which is then evaluated on the
    full-resolution luma, so that colour follows the photo's own edges. Works in strips: memory
    beyond input and output does not grow with the photo.

    Args:
        luma: (H, W), uint8 or uint16.
        interpretation: of the same photograph.

    Returns:
        (H, W, 3) of that type, whose luma is `luma`.
    """
    slope, offset = _guided_coefficients(interpretation.luma, interpretation.chroma)
    coefficients = np.concatenate([slope, offset], axis=-1)
    out = scratch.empty((*luma.shape, 3), sample_type(luma))
    for top in range(0, luma.shape[0], _STRIP):
        strip, joined = luma[top : top + _STRIP], out[top : top + _STRIP]
        local = _enlarge_rows(coefficients, luma.shape[:2], top, strip.shape[0])
        for rows in strips(strip):
            guide = strip[rows].astype(np.float32)[..., None] / full_scale(luma.dtype)
            chroma = np.asarray(local[rows, :, :2] * guide + local[rows, :, 2:], np.float32)
            joined[rows] = join_chroma(strip[rows], chroma)
        scratch.release(luma, out)
    return out


def predict_chroma(small: Float, model: Model) -> Float:
    """Run the network on a working picture.

    Args:
        small: (h, w) float32 luma in [0, 1].
        model: a colorize model.

    Returns:
        (h, w, 2) float32: Cb and Cr in [-0.5, 0.5].

    Raises:
        GuardError: the network returned NaN or infinity.
    """
    with torch.inference_mode():
        batch = torch.from_numpy(small)[None, None].to(model.device)
        chroma = model(batch).float().cpu()[0].numpy()
    if not np.isfinite(chroma).all():
        raise GuardError("the network returned NaN or infinity")
    # The last row and column may reach beyond the picture, whose sides need not divide.
    scale = 1 / model.network.config.scale
    size = (round(chroma.shape[2] * scale), round(chroma.shape[1] * scale))
    enlarged = cv2.resize(chroma.transpose(1, 2, 0), size, interpolation=cv2.INTER_LINEAR)
    enlarged = enlarged[: small.shape[0], : small.shape[1]]
    return np.asarray(np.clip(enlarged, -0.5, 0.5), np.float32)


def without_cast(chroma: Float) -> Float:
    """Weaken colours whose mean is a strong cast, as a whole, until it is `LARGEST_CAST`.

    A picture without anything in it is all sky or all wood to a network.

    Args:
        chroma: (h, w, 2), Cb and Cr in [-0.5, 0.5].

    Returns:
        The same, or less of it.
    """
    share = min(1.0, LARGEST_CAST / max(cast_of(chroma), 1e-6))
    return np.asarray(chroma * share, np.float32)


def cast_of(chroma: Float) -> float:
    """Largest difference between the means of two colour channels, 8-bit levels.

    Args:
        chroma: (h, w, 2), Cb and Cr in [-0.5, 0.5].
    """
    cb, cr = chroma.mean((0, 1), dtype=np.float64)
    blue, red = cb / CB_SCALE, cr / CR_SCALE
    green = -(BT601[0] * red + BT601[2] * blue) / BT601[1]
    return 255 * float(max(red, green, blue) - min(red, green, blue))


def _tried_chroma(luma: Samples, shape: tuple[int, ...], model: Model) -> Float:
    """Predictions at several working sizes and of their mirror images, (n, h, w, 2).

    What the network is sure of, it sees at every size and both ways round; what it guesses,
    differs, and the mean of all fades it towards gray. That is what keeps dark or empty areas free
    of coloured clouds.
    """
    tries = []
    for side in AGREEING_SIDES:
        picture = _working_picture(luma, side)
        for mirrored in (False, True):
            seen = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
            chroma = predict_chroma(seen, model)
            chroma = chroma[:, ::-1] if mirrored else chroma
            size = (shape[1], shape[0])
            tries.append(
                cv2.resize(np.ascontiguousarray(chroma), size, interpolation=cv2.INTER_LINEAR)
            )
    return np.stack(tries).astype(np.float32).reshape(-1, *shape, 2)


def _working_picture(luma: Samples, side: int) -> Float:
    height, width = luma.shape
    scale = min(side / min(height, width), LONGEST_WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(luma, size, interpolation=interpolation)
    scratch.release(luma)
    return np.asarray(small, np.float32) / np.float32(full_scale(luma.dtype))


def _guided_coefficients(guide: Float, chroma: Float) -> tuple[Float, Float]:
    """Slope and offset of chroma as a linear function of luma, each (h, w, 2)."""
    window = (2 * _GUIDE_RADIUS + 1,) * 2

    def mean(image: Float) -> Float:
        return np.asarray(cv2.blur(image, window, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide = mean(guide)
    variance = mean(guide * guide) - mean_guide**2
    covariance = mean(guide[..., None] * chroma) - mean_guide[..., None] * mean(chroma)
    slope = covariance / (variance + _GUIDE_EPSILON)[..., None]
    offset = mean(chroma) - slope * mean_guide[..., None]
    return mean(slope), mean(offset)


def _enlarge_rows(small: Float, shape: tuple[int, ...], top: int, rows: int) -> Float:
    """Rows [top, top + rows) of `small` (h, w, C) enlarged bilinearly to `shape`."""
    scale_y, scale_x = small.shape[0] / shape[0], small.shape[1] / shape[1]
    # Pixel centres of the large image mapped to the small one, as cv2.resize does.
    matrix = np.array(
        [
            [scale_x, 0, 0.5 * scale_x - 0.5],
            [0, scale_y, (top + 0.5) * scale_y - 0.5],
        ]
    )
    enlarged = cv2.warpAffine(
        small,
        matrix,
        (shape[1], rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(enlarged, np.float32)
