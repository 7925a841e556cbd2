"""Degradations of one photograph: for measuring, for validation, for the samples of `train assess`.

The restoration networks are trained on whole batches that are degraded on the device:
`restoration.training.batched`, which is tested against what is here and holds their recipes.

Every function takes and returns float32 arrays of shape (H, W, 3) in [0, 255] (8-bit units)
unless it says otherwise; `quantise` ends each chain, because files hold clipped whole numbers
and a network trained on unclipped noise loses up to 1.7 dB on them.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.colour import luma as luma

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]


def quantise(image: Float) -> Byte:
    """Clip to [0, 255] and round, as writing an 8-bit file does."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def white_noise(image: Float, sigma: float, rng: np.random.Generator) -> Float:
    """Add Gaussian noise, independent per pixel and channel; `sigma` in 8-bit units."""
    return image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)


def film_grain(image: Float, sigma: float, radius: float, rng: np.random.Generator) -> Float:
    """Add spatially correlated luminance noise, the same in every channel.

    Args:
        image: (H, W, 3), 8-bit units.
        sigma: standard deviation of the grain after filtering, 8-bit units.
        radius: standard deviation in pixels of the Gaussian that correlates neighbours.
        rng: source of randomness.
    """
    return image + coloured_noise((image.shape[0], image.shape[1]), sigma, radius, rng)[..., None]


def jpeg_round_trip(image: Byte, quality: int) -> Byte:
    """Compress and decompress as JPEG (4:2:0), quality 1-100."""
    ok, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError("OpenCV could not encode the patch as JPEG")
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def blur(image: Float, kernel: Float) -> Float:
    """Convolve every channel with `kernel` (odd sides, sums to 1); borders are mirrored."""
    # filter2D correlates; convolution (what optics do) flips the kernel.
    flipped = kernel[::-1, ::-1]
    return np.asarray(
        cv2.filter2D(image, -1, flipped, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def gaussian_kernel(sigma_x: float, sigma_y: float | None = None, angle: float = 0.0) -> Float:
    """Anisotropic Gaussian kernel; sigmas in pixels, angle in radians."""
    sigma_y = sigma_x if sigma_y is None else sigma_y
    radius = max(1, math.ceil(3.5 * max(sigma_x, sigma_y)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    u = x * math.cos(angle) + y * math.sin(angle)
    v = -x * math.sin(angle) + y * math.cos(angle)
    kernel = np.exp(-0.5 * ((u / sigma_x) ** 2 + (v / sigma_y) ** 2))
    return _normalised(kernel)


def disk_kernel(radius: float) -> Float:
    """Defocus disk of `radius` pixels, its edge antialiased by 8-fold supersampling."""
    half = max(1, math.ceil(radius))
    steps = 8
    axis = (np.arange((2 * half + 1) * steps) + 0.5) / steps - half - 0.5
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).astype(np.float64)
    side = 2 * half + 1
    kernel = inside.reshape(side, steps, side, steps).mean((1, 3))
    return _normalised(kernel)


def motion_kernel(length: float, rng: np.random.Generator) -> Float:
    """Path of a shaken camera, `length` pixels across its longer side.

    Hand tremor as a smooth random process: eight harmonics over the exposure whose amplitudes
    fall with a power of their order, more along one axis than across. The camera slows down
    where its path turns, which gives the bright knots and faint strokes of measured kernels
    (Levin et al., "Understanding and evaluating blind deconvolution algorithms", CVPR 2009);
    a random walk of even speed gives neither.

    Its centre of mass is the kernel's centre. How far a photograph was moved as a whole cannot be
    seen in it: a network that is asked for it hedges between all shifts, and sharpens nothing.
    """
    time = np.linspace(0, 1, 600)
    orders = np.arange(1, 9)
    amplitude = orders ** -rng.uniform(1.2, 2.4)
    phase = math.pi * np.outer(time, orders)
    path = np.cos(phase) @ (amplitude[:, None] * rng.standard_normal((8, 2)))
    path += np.sin(phase) @ (amplitude[:, None] * rng.standard_normal((8, 2)))
    path[:, 1] *= rng.uniform(0.25, 1)
    angle = rng.uniform(0, math.pi)
    path = path @ np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    path *= length / max(float(np.ptp(path, axis=0).max()), 1e-6)
    path -= path.mean(0)
    half = math.ceil(float(np.abs(path).max())) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float64)
    corner = np.floor(path).astype(int)
    fraction = path - corner
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - fraction[:, 0]) * np.abs(1 - dy - fraction[:, 1])
            np.add.at(kernel, (corner[:, 1] + dy + half, corner[:, 0] + dx + half), weight)
    return _normalised(kernel)


def old_photo_noise(image: Float, rng: np.random.Generator) -> Float:
    """Add the noise of a scanned print or negative.

    Luminance grain (standard deviation 1-29 before weighting, mostly weak), correlated over
    0.3-1.4 px, resampled and sharpened as scanners do, weighted by tone; for some, weaker and
    coarser chroma noise, a scanner's white noise, and a faint texture of the paper. Stronger or
    coarser grain, or texture that is not faint, would teach the network to take cloth, bark and
    foliage for it.
    """
    shape = (image.shape[0], image.shape[1])
    sigma = 1 + 28 * rng.random() ** 1.5
    grain = coloured_noise(shape, sigma, rng.uniform(0.3, 1.4), rng, scanned=True)
    noisy = image + (grain * tone_weight(luma(image), rng))[..., None]
    if rng.random() < 0.4:
        chroma_sigma, radius = sigma * rng.uniform(0.1, 0.7), rng.uniform(0.4, 2.5)
        fields = [coloured_noise(shape, chroma_sigma, radius, rng) for _ in range(3)]
        chroma = np.stack(fields, 2)
        noisy = noisy + chroma - luma(chroma)[..., None]
    if rng.random() < 0.3:
        noisy = white_noise(noisy, rng.uniform(0, 10), rng)
    if rng.random() < 0.1:
        texture = paper_texture(shape, rng.uniform(0.003, 0.015), rng)
        noisy = noisy * (1 + texture)[..., None]
    return np.asarray(noisy, np.float32)


def coloured_noise(
    shape: tuple[int, int],
    sigma: float,
    radius: float,
    rng: np.random.Generator,
    *,
    scanned: bool = False,
) -> Float:
    """Draw a field of correlated Gaussian noise.

    Args:
        shape: (H, W).
        sigma: standard deviation of the result, 8-bit units.
        radius: standard deviation in pixels of the Gaussian that correlates neighbours; below
            0.25 the noise is white.
        rng: source of randomness.
        scanned: also resample (to 0.6-1.6 times the size) and sharpen the field, each for half
            of the draws. Both are linear, so that acting on the noise alone leaves the photograph
            as it is: the network is to remove noise, not to undo the scanner's sharpening.

    Returns:
        (H, W) float32, mean about 0.
    """
    height, width = shape
    resampled = scanned and rng.random() < 0.5
    factor = rng.uniform(0.6, 1.6) if resampled else 1.0
    size = (math.ceil(width * factor), math.ceil(height * factor))
    field = rng.standard_normal(size[::-1], dtype=np.float32)
    if radius >= 0.25:
        field = _gaussian(field, radius)
    if resampled:
        method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)[int(rng.integers(3))]
        field = np.asarray(cv2.resize(field, (width, height), interpolation=method), np.float32)
    if scanned and rng.random() < 0.5:
        field = field + np.float32(rng.uniform(0.2, 1.5)) * (
            field - _gaussian(field, rng.uniform(0.6, 2.0))
        )
    # White noise filtered with a Gaussian of s pixels keeps 1 / (2 s sqrt(pi)) of its standard
    # deviation in the continuous limit; measuring is exact at every radius.
    field *= np.float32(sigma / max(float(field.std()), 1e-6))
    return field


def tone_weight(y: Float, rng: np.random.Generator) -> Float:
    """How strong grain is at each tone, about 1 on average.

    Silver grain shows most in the mid-tones (Newson et al., "Realistic Film Grain Rendering",
    IPOL 2017), a sensor's shot noise grows with the square root of light; half of the draws are
    flat, as after a scanner's tone curve.

    Args:
        y: luma (H, W), 8-bit units.
        rng: source of randomness.
    """
    kind = rng.random()
    tone = np.clip(y / 255, 0, 1)
    if kind < 0.5:
        return np.ones_like(y)
    if kind < 0.8:
        return np.asarray(0.35 + 1.5 * np.sqrt(tone * (1 - tone)), np.float32)
    return np.asarray(0.3 + np.sqrt(tone if kind < 0.9 else 1 - tone), np.float32)


def paper_texture(shape: tuple[int, int], strength: float, rng: np.random.Generator) -> Float:
    """Relief of textured photographic paper under a scanner's oblique light.

    Band-passed noise (period 3-12 px), or for a quarter the regular hexagonal relief of silk paper.

    Returns:
        (H, W) relative change of brightness, standard deviation `strength`.
    """
    height, width = shape
    period = rng.uniform(3, 12)
    if rng.random() < 0.25:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        turn, phase = rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi, 3)
        waves = [
            np.cos(
                2 * math.pi / period * (x * math.cos(angle) + y * math.sin(angle)) + phase[i],
            )
            for i, angle in enumerate(turn + np.arange(3) * math.pi / 3)
        ]
        field = np.asarray(sum(waves), np.float32)
    else:
        white = rng.standard_normal(shape, dtype=np.float32)
        field = _gaussian(white, period / 6) - _gaussian(white, period / 3)
    return np.asarray(field * np.float32(strength / max(float(field.std()), 1e-6)), np.float32)


def _gaussian(field: Float, radius: float) -> Float:
    blurred = cv2.GaussianBlur(field, (0, 0), radius, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float32)


def _normalised(kernel: NDArray[Any]) -> Float:
    return np.asarray(kernel / kernel.sum(), np.float32)
