"""Measures of a photograph, before and after, and of how much was changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.assess.estimator import noise_of_windows
from restoration.assess.windows import Windows, measured_windows
from restoration.colour import luma8
from restoration.samples import Samples, eight_bits, full_scale, strips

Byte = NDArray[np.uint8]

_SSIM_STRIP: Final = 128
"""Rows whose dozen intermediate images stay in the processor's cache."""
IDENTICAL_PSNR_DB: Final = 100.0
"""Reported where nothing differs, since infinity does not compare or average."""
_LAPLACIAN_NOISE_GAIN: Final = 20.0
"""Sum of the squares of the Laplacian kernel (4^2 + 4): variance that white noise gets."""


@dataclass(frozen=True)
class Quality:
    """No-reference measures of one photograph.

    Attributes:
        sharpness: root mean square response of the 4-neighbour Laplacian on luma, less what
            noise of the sigma measured on luma adds, 8-bit units; 0 where noise drowns it (after
            Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000).
        colourfulness: Hasler and Suesstrunk, "Measuring colourfulness in natural images",
            SPIE 2003; 0 is gray, about 40 an ordinary colour photo.
        contrast: standard deviation of luma, 8-bit units (RMS contrast, Peli 1990).
        brightness: mean of luma, 8-bit units.
    """

    sharpness: float
    colourfulness: float
    contrast: float
    brightness: float


def measure(
    pixels: Samples, *, noise_sigma: float | None = None, windows: Windows | None = None
) -> Quality:
    """Measure a photograph.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16; of the latter their 8-bit rounding.
        noise_sigma: of the pixels in 8-bit units, where it is known. Of gray ones it is that of
            luma, too, and saves measuring it.
        windows: of the pixels, where they are at hand: what noise is measured on.
    """
    luma = luma8(pixels)
    energy = 0.0
    for rows in strips(luma):
        # One row of context on each side, so that strips leave no seam in the Laplacian.
        first, last = max(0, rows.start - 1), min(luma.shape[0], rows.stop + 1)
        response = cv2.Laplacian(luma[first:last], cv2.CV_16S, borderType=cv2.BORDER_REFLECT_101)
        inner = response[rows.start - first : rows.stop - first]
        energy += cv2.norm(inner, cv2.NORM_L2SQR) / luma.size
        scratch.release(luma)
    # Of the luma, not of the photo: noise that differs between channels partly cancels in luma.
    if pixels.ndim == 3 or noise_sigma is None:
        of_luma = measured_windows(luma) if windows is None else windows.rounded
        noise_sigma = noise_of_windows(of_luma).sigma
    noise_energy = _LAPLACIAN_NOISE_GAIN * noise_sigma**2
    brightness, contrast = (float(each[0, 0]) for each in cv2.meanStdDev(luma))
    return Quality(
        sharpness=math.sqrt(max(energy - noise_energy, 0)),
        colourfulness=colourfulness(pixels),
        contrast=contrast,
        brightness=brightness,
    )


def colourfulness(pixels: Samples) -> float:
    """Hasler-Suesstrunk colourfulness of (H, W, 3), uint8 or uint16; 0 for (H, W).

    Its red-green R - G and yellow-blue (R + G) / 2 - B are never made: their moments are those of
    the differences of two channels, which are sums of integers.
    """
    if pixels.ndim == 2:
        return 0.0
    sums, squares = np.zeros(3), np.zeros(3)
    for rows in strips(pixels):
        red, green, blue = cv2.split(eight_bits(pixels[rows]))
        sums += [cv2.sumElems(channel)[0] for channel in (red, green, blue)]
        squares += [
            cv2.norm(*pair, cv2.NORM_L2SQR) for pair in ((red, green), (red, blue), (green, blue))
        ]
        scratch.release(pixels)
    count = pixels.shape[0] * pixels.shape[1]
    red_mean, green_mean, blue_mean = sums / count
    mean_rg, mean_yb = red_mean - green_mean, (red_mean + green_mean) / 2 - blue_mean
    square_rg, square_rb, square_gb = squares / count
    # (R - B)(G - B) is half of (R - B)^2 + (G - B)^2 - (R - G)^2.
    square_yb = (square_rb + square_gb) / 2 - square_rg / 4
    spread = max(square_rg - mean_rg**2, 0) + max(square_yb - mean_yb**2, 0)
    return float(math.sqrt(spread) + 0.3 * math.hypot(mean_rg, mean_yb))


def psnr_db(a: Samples, b: Samples) -> float:
    """Peak signal-to-noise ratio in dB of two arrays of one shape and type, to their last bit.

    At most 100, and 100 if they are identical.
    """
    total = 0.0
    for rows in strips(a):
        total += cv2.norm(a[rows], b[rows], cv2.NORM_L2SQR)
        scratch.release(a, b)
    if total == 0:
        return IDENTICAL_PSNR_DB
    return min(IDENTICAL_PSNR_DB, 10 * math.log10(full_scale(a.dtype) ** 2 * a.size / total))


def ssim(a: Samples, b: Samples) -> float:
    """Mean structural similarity of two images' luma, in [-1, 1]; 16 bits are rounded to 8.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE TIP 2004: Gaussian window of 11 px and sigma 1.5, K1 0.01,
    K2 0.03. Windows that leave the image are left out, as in the paper.
    """
    first, second = luma8(a), luma8(b)
    height, width = first.shape
    radius = 5 if min(height, width) > 10 else 0
    total, count = 0.0, 0
    for top in range(radius, height - radius, _SSIM_STRIP):
        bottom = min(top + _SSIM_STRIP, height - radius)
        rows = slice(top - radius, bottom + radius)
        similarity = _ssim_map(first[rows], second[rows])
        inner = similarity[radius : similarity.shape[0] - radius, radius : width - radius]
        total += float(inner.sum(dtype=np.float64))
        count += inner.size
        scratch.release(first, second)
    return total / max(count, 1)


def _ssim_map(a: Byte, b: Byte) -> NDArray[np.float32]:
    x, y = a.astype(np.float32), b.astype(np.float32)

    def mean(image: NDArray[np.float32]) -> NDArray[np.float32]:
        window = cv2.GaussianBlur(image, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(window, np.float32)

    mean_x, mean_y = mean(x), mean(y)
    # Only the sum of the two variances is asked for: one mean of x^2 + y^2 does for both.
    product = mean(x * y)
    squares = mean(np.add(np.square(x, out=x), np.square(y, out=y), out=x))
    of_means = mean_x * mean_y
    mean_squares = np.add(np.square(mean_x, out=mean_x), np.square(mean_y, out=mean_y), out=mean_x)
    c1, c2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
    top = np.subtract(product, of_means, out=product)
    top *= 2
    top += c2
    of_means *= 2
    of_means += c1
    top *= of_means
    bottom = np.subtract(squares, mean_squares, out=squares)
    bottom += c2
    mean_squares += c1
    bottom *= mean_squares
    top /= bottom
    return np.asarray(top, np.float32)
