"""JPEG compression and decompression of whole batches, as libjpeg does it with its defaults.

ITU-T T.81 (JPEG), Annex A; quantisation tables of Annex K, scaled by quality as the Independent
JPEG Group's library does. Entropy coding is lossless and left out. The transform is computed in
floating point where libjpeg uses scaled integers: results differ by a gray level here and there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from restoration.training.batched.draws import constants

_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
)  # fmt: skip
_TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def jpeg_round_trip(images: Tensor, quality: Tensor, *, subsampled: bool = True) -> Tensor:
    """Compress and decompress a batch.

    Args:
        images: (N, 3, H, W) R'G'B' whole numbers in [0, 255], float32.
        quality: 1-100, (N,).
        subsampled: chroma at half the resolution (4:2:0) or at full (4:4:4).

    Returns:
        The same shape and range, whole numbers.
    """
    height, width = images.shape[-2:]
    ycbcr = _whole(_mixed(images, _TO_YCBCR, centre_in=0.0, centre_out=128.0))
    # The encoder repeats the last row and column up to whole blocks (of 16 pixels with 4:2:0).
    unit = 16 if subsampled else 8
    padding = (0, -width % unit, 0, -height % unit)
    ycbcr = functional.pad(ycbcr, padding, mode="replicate") if any(padding) else ycbcr
    y, chroma = ycbcr[:, :1], ycbcr[:, 1:]
    if subsampled:
        chroma = _halved(chroma)
    y, chroma = _quantised(y, chroma, quality)
    if subsampled:
        # Only the true part is enlarged: the decoder does not look into the padding.
        chroma = _doubled(chroma[..., : -(-height // 2), : -(-width // 2)])
    y, chroma = y[..., :height, :width], chroma[..., :height, :width]
    decoded = torch.cat([y, chroma], 1)
    return _whole(_mixed(decoded, _TO_RGB, centre_in=128.0, centre_out=0.0))


def _mixed(
    images: Tensor, matrix: tuple[tuple[float, ...], ...], centre_in: float, centre_out: float
) -> Tensor:
    """Mix three channels; both chroma channels are centred on `centre_in`, then `centre_out`."""
    # Written out, because GPUs round the factors of convolutions to ten bits (TF32).
    first, second, third = images.unbind(1)
    second, third = second - centre_in, third - centre_in
    mixed = [a * first + b * second + c * third for a, b, c in matrix]
    return torch.stack([mixed[0], mixed[1] + centre_out, mixed[2] + centre_out], 1)


def _whole(images: Tensor) -> Tensor:
    return images.round().clamp_(0, 255)


def _quantised(y: Tensor, chroma: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
    """Round the cosine coefficients of 8 x 8 blocks to multiples of the qualities' steps.

    sqrt(8) times the orthonormal transform is what libjpeg's integer passes compute, each
    rounded: to quarters of a step after the first pass. Rounding likewise keeps coefficients that
    lie near a half on libjpeg's side of it.
    """
    transform = _cosines(y.device)
    luma_blocks, chroma_blocks = _to_blocks(y), _to_blocks(chroma)
    counts = [luma_blocks.shape[1], chroma_blocks.shape[1]]
    tables = [_table(base, quality)[:, None] for base in (_LUMINANCE, _CHROMINANCE)]
    steps = torch.cat([t.expand(-1, n, -1, -1) for t, n in zip(tables, counts, strict=True)], 1)
    blocks = torch.cat([luma_blocks, chroma_blocks], 1)
    # Every pass works along the last axis, as one large matrix product.
    rows = _rounded(blocks @ (4 * transform.mT)).mT.contiguous()
    coefficients = _rounded(rows @ (transform.mT / 4))  # eight times as large, and transposed
    levels = (coefficients.abs() / (8 * steps) + 0.5).floor() * coefficients.sign()
    columns = _rounded((levels * steps) @ (4 * transform)).mT.contiguous()
    decoded = _whole(columns @ (transform / 32) + 128)
    luma_blocks, chroma_blocks = torch.split(decoded, counts, 1)
    return _from_blocks(luma_blocks, y.shape), _from_blocks(chroma_blocks, chroma.shape)


def _table(base: tuple[int, ...], quality: Tensor) -> Tensor:
    """Quantisation tables (N, 8, 8) of the qualities (N,), transposed."""
    quality = quality.float()
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    table = ((scale[:, None] * constants(base, quality.device) + 50) / 100).floor().clamp(1, 255)
    return table.view(-1, 8, 8).mT


def _to_blocks(planes: Tensor) -> Tensor:
    """(N, C, H, W) as blocks (N, C H W / 64, 8, 8) around zero."""
    count, channels, height, width = planes.shape
    blocks = planes.reshape(count, channels, height // 8, 8, width // 8, 8)
    return blocks.transpose(3, 4).reshape(count, -1, 8, 8) - 128


def _from_blocks(blocks: Tensor, shape: torch.Size) -> Tensor:
    count, channels, height, width = shape
    planes = blocks.reshape(count, channels, height // 8, width // 8, 8, 8)
    return planes.transpose(3, 4).reshape(shape)


def _rounded(values: Tensor) -> Tensor:
    """Rounded to whole numbers, halves up."""
    return (values + 0.5).floor_()


def _cosines(device: torch.device) -> Tensor:
    """The 8-point discrete cosine transform (DCT-II), sqrt(8) times orthonormal, as a matrix."""
    index = torch.arange(8, device=device, dtype=torch.float32)
    matrix = math.sqrt(2) * torch.cos(math.pi / 16 * (2 * index + 1) * index[:, None])
    matrix[0] = 1
    return matrix


def _halved(chroma: Tensor) -> Tensor:
    """Mean of 2 x 2 pixels, halves rounded down and up in alternating columns as in libjpeg."""
    mean = functional.avg_pool2d(chroma, 2)
    bias = torch.full((mean.shape[-1],), 0.25, device=mean.device)
    bias[1::2] = 0.5
    return (mean + bias).floor()


def _doubled(chroma: Tensor) -> Tensor:
    """Enlarge twofold with weights 3/4 and 1/4, libjpeg's "fancy upsampling"."""
    return functional.interpolate(
        chroma, scale_factor=2, mode="bilinear", align_corners=False
    ).round()
