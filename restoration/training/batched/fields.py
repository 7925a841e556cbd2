"""Random fields: correlated grain, scanned grain, paper texture, and their weight by tone.

A separable linear filter is a matrix for the rows and one for the columns: `out = A field A^T`.
That holds for Gaussians and for resampling alike, takes another filter per sample, and is the
matrix product that every device is best at.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import torch
from torch import Tensor

from restoration.training.batched.draws import Draws

Method = Literal["linear", "cubic", "area"]
METHODS: Final[tuple[Method, ...]] = ("linear", "cubic", "area")
BT601: Final = (0.299, 0.587, 0.114)
"""Luma weights of ITU-R BT.601 for R'G'B' (JPEG's YCbCr)."""
WHITE_RADIUS: Final = 0.25
"""Below this radius in pixels a Gaussian does nothing to a grid of pixels."""
SCANS: Final = ((0.6, 0.93), (0.93, 1.27), (1.27, 1.6))
"""Ranges of a field's size before resampling, relative to its size after; one for each batch,
since the largest one takes three times the work of the smallest."""


def luma(images: Tensor) -> Tensor:
    """BT.601 luma (N, H, W) of R'G'B' images (N, 3, H, W), in their own range."""
    red, green, blue = images.unbind(1)
    return BT601[0] * red + BT601[1] * green + BT601[2] * blue


def coloured_noise(
    side: int,
    sigma: Tensor,
    radius: Tensor,
    draws: Draws,
    *,
    largest_radius: float,
) -> Tensor:
    """Draw fields of correlated Gaussian noise.

    Args:
        side: height and width of the fields in pixels.
        sigma: standard deviation of each field, 8-bit units, (N,).
        radius: standard deviation in pixels of the Gaussian that correlates neighbours, (N,).
        draws: source of randomness.
        largest_radius: bound of `radius`, known without asking the device.

    Returns:
        (N, side, side), mean about 0.
    """
    margin = _reach(largest_radius)
    white = draws.normal(len(sigma), side + 2 * margin, side + 2 * margin)
    return standardised(filtered(white, gaussian_matrix(radius, side, margin)), sigma)


def scanned_noise(
    side: int, sigma: Tensor, radius: Tensor, draws: Draws, *, largest_radius: float
) -> Tensor:
    """Draw fields of correlated noise that went through a scanner.

    As `coloured_noise`; half of the fields are also resampled from 0.6-1.6 times the size (all
    of a batch by one method), half are sharpened. Both are linear, so that acting on the noise
    alone leaves the photograph as it is: the network is to remove noise, not to undo the
    scanner's sharpening.
    """
    count = len(sigma)
    reach = _reach(largest_radius)
    margin = 6  # of the sharpening: three sigma of its widest Gaussian
    outer = side + 2 * margin
    # In random order: the photographs of a batch are not, gray ones stand at its end.
    order = draws.uniform(count).argsort()
    plain, resampled = torch.split(radius[order], draws.sizes(count, (0.5, 0.5)))
    white = draws.normal(len(plain), outer + 2 * reach, outer + 2 * reach)
    fields = [filtered(white, gaussian_matrix(plain, outer, reach))]
    if len(resampled):
        lowest, highest = draws.choice(SCANS)
        factor = draws.uniform(len(resampled), lowest, highest)
        source = math.ceil(highest * outer) + 4
        white = draws.normal(len(resampled), source + 2 * reach, source + 2 * reach)
        matrix = resampling_matrix(factor, draws.choice(METHODS), outer, source)
        fields.append(filtered(white, matrix @ gaussian_matrix(resampled, source, reach)))
    field = torch.cat(fields)[order.argsort()]
    inner = field[:, margin : margin + side, margin : margin + side].clone()
    sharpened = draws.subset(count, 0.5)
    if len(sharpened):
        amount = draws.uniform(len(sharpened), 0.2, 1.5)[:, None, None]
        soft = gaussian_matrix(draws.uniform(len(sharpened), 0.6, 2.0), side, margin)
        sharp = inner[sharpened]
        inner[sharpened] = sharp + amount * (sharp - filtered(field[sharpened], soft))
    return standardised(inner, sigma)


def tone_weight(y: Tensor, draws: Draws) -> Tensor:
    """How strong grain is at each tone, about 1 on average.

    Half flat, as after a scanner's tone curve; three in ten strongest in the mid-tones (silver
    grain: Newson et al., "Realistic Film Grain Rendering", IPOL 2017); one in ten growing and one
    in ten falling with the square root of light.

    Args:
        y: luma (N, H, W), 8-bit units.
        draws: source of randomness.
    """
    tone = (y / 255).clamp(0, 1)
    weight = torch.ones_like(y)
    _, middle, light, dark = draws.partition(len(y), (0.5, 0.3, 0.1, 0.1))
    if len(middle):
        weight[middle] = 0.35 + 1.5 * (tone[middle] * (1 - tone[middle])).sqrt()
    if len(light):
        weight[light] = 0.3 + tone[light].sqrt()
    if len(dark):
        weight[dark] = 0.3 + (1 - tone[dark]).sqrt()
    return weight


def paper_texture(side: int, strength: Tensor, draws: Draws) -> Tensor:
    """Relief of textured photographic paper under a scanner's oblique light.

    Band-passed noise (period 3-12 px), or for a quarter the regular hexagonal relief of silk
    paper.

    Args:
        side: height and width in pixels.
        strength: standard deviation of each field, (N,).
        draws: source of randomness.

    Returns:
        (N, side, side): relative change of brightness.
    """
    count = len(strength)
    period = draws.uniform(count, 3, 12)
    margin = _reach(4.0)
    white = draws.normal(count, side + 2 * margin, side + 2 * margin)
    fine, coarse = (gaussian_matrix(period / d, side, margin) for d in (6, 3))
    rough = filtered(white, fine) - filtered(white, coarse)
    axis = torch.arange(side, device=draws.device, dtype=torch.float32)
    turn = draws.uniform(count, 0, math.pi)
    silk = torch.zeros_like(rough)
    for wave in range(3):
        angle = turn + wave * math.pi / 3
        frequency = 2 * math.pi / period
        along = (frequency * angle.cos())[:, None, None] * axis
        down = (frequency * angle.sin())[:, None, None] * axis[:, None]
        silk += (along + down + draws.uniform(count, 0, 2 * math.pi)[:, None, None]).cos()
    is_silk = draws.uniform(count)[:, None, None] < 0.25
    return standardised(torch.where(is_silk, silk, rough), strength)


def standardised(fields: Tensor, sigma: Tensor) -> Tensor:
    """Scale fields (N, H, W) in place to the standard deviations `sigma` (N,)."""
    # White noise filtered with a Gaussian of s pixels keeps 1 / (2 s sqrt(pi)) of its standard
    # deviation in the continuous limit; measuring is exact at every radius.
    variance = fields.square().mean((1, 2)) - fields.mean((1, 2)).square()
    return fields.mul_((sigma / variance.clamp(min=1e-12).sqrt())[:, None, None])


def filtered(fields: Tensor, matrix: Tensor) -> Tensor:
    """Apply the filters `matrix` (..., h, H) to the rows and columns of `fields` (..., H, H)."""
    return matrix @ fields @ matrix.mT


def gaussian_matrix(radius: Tensor, side: int, margin: int) -> Tensor:
    """Gaussian filters as matrices (N, side, side + 2 margin), rows summing to 1.

    Args:
        radius: standard deviation in pixels, (N,); below `WHITE_RADIUS` the identity.
        side: of the result.
        margin: pixels that the result is smaller by, on each side.
    """
    device = radius.device
    width = torch.where(radius < WHITE_RADIUS, 1e-3, radius)[:, None]
    offsets = torch.arange(-margin, margin + 1, device=device)
    kernel = torch.exp(-0.5 * (offsets / width).square())
    kernel = kernel / kernel.sum(1, keepdim=True)
    # Row i holds the kernel from column i on: a view of one padded row per sample, shifted.
    columns = side + 2 * margin
    rows = torch.nn.functional.pad(kernel, (0, columns - kernel.shape[1] + 1))
    return rows.repeat(1, side)[:, : side * columns].view(-1, side, columns)


def resampling_matrix(factor: Tensor, method: Method, side: int, source: int) -> Tensor:
    """Interpolation as OpenCV's `resize` does it, as matrices (N, side, source).

    Sampled in the middle of the source, where no border is met.

    Args:
        factor: pixels of the source per pixel of the result, (N,).
        method: linear, cubic (a = -0.75) or area.
        side: of the result in pixels.
        source: side of the source in pixels.
    """
    device = factor.device
    scale = factor[:, None, None]
    start = (source - side * scale) / 2
    result = (torch.arange(side, device=device)[:, None] + 0.5) * scale + start
    pixels = torch.arange(source, device=device) + 0.5
    distance = (result - pixels).abs()
    if method == "linear":
        matrix = (1 - distance).clamp(min=0)
    elif method == "cubic":
        near = (1.25 * distance - 2.25) * distance.square() + 1
        far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
        matrix = torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))
    else:
        # Overlap of two intervals: the result's pixel, `scale` wide, and the source's, 1 wide.
        matrix = ((scale + 1) / 2 - distance).clamp(min=0).minimum(scale.clamp(max=1))
    return matrix / matrix.sum(2, keepdim=True)


def _reach(radius: float) -> int:
    """Pixels after which a Gaussian of `radius` no longer matters (4 sigma, as in OpenCV)."""
    return max(1, math.ceil(4 * radius))
