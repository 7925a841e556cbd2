"""Peers that a pip install brings: OpenCV, scikit-image.

Those of scikit-image (extra `peers`) are left out where it is not installed. Whatever a method is
told of the truth, its name says; the strengths were chosen on training photographs of BSDS500.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.evaluation.methods import Method, Truth
from restoration.training.degradations import Float

Byte = NDArray[np.uint8]
Real = NDArray[np.floating]

NLM_STRENGTH: Final = 0.6
"""Filter strength over noise sigma: what scikit-image's example "Non-local means denoising for
preserving textures" takes in fast mode told sigma (its reference suggests 0.8 to start from)."""
OPENCV_GRAY_STRENGTH: Final = 0.9
"""The same for OpenCV on gray photographs, where 0.6 leaves most of the noise: best of 0.6-1.2 on
8 photographs at sigma 15-50. In colour 0.6 is the best of these."""
TV_WEIGHT: Final = 0.6
"""Weight over noise sigma, both in [0, 1]: best of 0.3-2.0 on 8 photographs at sigma 15-50."""
WIENER_BALANCE: Final = 0.02
"""Weight of the regularisation: best of 0.001-0.2 on average over Gaussian blur of 1.6 and
2.4 px and two of Levin's kernels, on 5 photographs with noise 2.55."""
RICHARDSON_LUCY_STEPS: Final = 30


def denoising_peers() -> list[Method]:
    """Non-local means, and where scikit-image is installed its own, total variation, wavelets."""
    peers = [Method("OpenCV NLM, told sigma", _opencv_nlm)]
    if find_spec("skimage") is None:
        return peers
    peers += [
        Method("scikit-image NLM, told sigma", _skimage_nlm),
        Method("scikit-image TV, told sigma", _skimage_tv),
    ]
    if find_spec("pywt") is not None:
        peers.append(Method("scikit-image wavelet, told sigma", _skimage_wavelet))
    return peers


def deblurring_peers() -> list[Method]:
    """Unsharp masking, the one thing that every editor has; deconvolution told the kernel."""
    peers = [Method("unsharp mask 0.6", _unsharp)]
    if find_spec("skimage") is None:
        return peers
    return [
        *peers,
        Method("scikit-image Wiener, told the kernel", _wiener),
        Method("scikit-image Richardson-Lucy, told the kernel", _richardson_lucy),
    ]


def missing_packages() -> list[str]:
    """What is not installed of that which peers need."""
    needed = {"skimage": "scikit-image", "pywt": "PyWavelets"}
    return [package for module, package in needed.items() if find_spec(module) is None]


def _opencv_nlm(image: Byte, truth: Truth) -> Byte:
    if truth.sigma == 0:
        return image
    if image.ndim == 2:
        strength = OPENCV_GRAY_STRENGTH * truth.sigma
        return np.asarray(cv2.fastNlMeansDenoising(image, None, strength, 7, 21), np.uint8)
    strength = NLM_STRENGTH * truth.sigma
    return np.asarray(
        cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 7, 21), np.uint8
    )


def _skimage_nlm(image: Byte, truth: Truth) -> Byte:
    from skimage.restoration import denoise_nl_means

    sigma = truth.sigma / 255
    if sigma == 0:
        return image
    return _to_bytes(
        denoise_nl_means(
            image / 255.0, patch_size=5, patch_distance=6, h=NLM_STRENGTH * sigma, sigma=sigma,
            fast_mode=True, channel_axis=_channel_axis(image),
        )
    )  # fmt: skip


def _skimage_tv(image: Byte, truth: Truth) -> Byte:
    from skimage.restoration import denoise_tv_chambolle

    if truth.sigma == 0:
        return image
    weight = TV_WEIGHT * truth.sigma / 255
    return _to_bytes(
        denoise_tv_chambolle(image / 255.0, weight=weight, channel_axis=_channel_axis(image))
    )


def _skimage_wavelet(image: Byte, truth: Truth) -> Byte:
    from skimage.restoration import denoise_wavelet

    if truth.sigma == 0:
        return image
    return _to_bytes(
        denoise_wavelet(
            image / 255.0, sigma=truth.sigma / 255, rescale_sigma=True,
            convert2ycbcr=image.ndim == 3, channel_axis=_channel_axis(image),
        )
    )  # fmt: skip


def _unsharp(image: Byte, _truth: Truth) -> Byte:
    soft = cv2.GaussianBlur(image, (0, 0), 2.0)
    return np.asarray(cv2.addWeighted(image, 1.6, soft, -0.6, 0), np.uint8)


def _wiener(image: Byte, truth: Truth) -> Byte:
    from skimage.restoration import wiener

    return _deconvolved(image, truth, lambda plane, kernel: wiener(plane, kernel, WIENER_BALANCE))


def _richardson_lucy(image: Byte, truth: Truth) -> Byte:
    from skimage.restoration import richardson_lucy

    return _deconvolved(
        image,
        truth,
        lambda plane, kernel: richardson_lucy(plane, kernel, num_iter=RICHARDSON_LUCY_STEPS),
    )


def _deconvolved(image: Byte, truth: Truth, deconvolve: Callable[[Real, Float], Real]) -> Byte:
    """Deconvolve each channel; told that there is no blur, leave the photograph alone."""
    kernel = truth.kernel
    if kernel is None:
        return image
    # Both see black beyond the frame, or the opposite side of it. A border of the edge's own
    # pixels spares them: 2-5 dB on these photographs, more than a mirrored or a narrower one.
    margin = 2 * int(max(kernel.shape))
    planes = image[..., None] if image.ndim == 2 else image
    widths = ((margin, margin), (margin, margin), (0, 0))
    padded = np.pad(planes / 255.0, widths, mode="edge")
    results = [deconvolve(padded[..., i], kernel) for i in range(planes.shape[2])]
    inner = np.stack(results, -1)[margin:-margin, margin:-margin]
    return _to_bytes(inner.reshape(image.shape))


def _channel_axis(image: Byte) -> int | None:
    return -1 if image.ndim == 3 else None


def _to_bytes(values: Real) -> Byte:
    """Real values in [0, 1] as 8-bit pixels, clipped and rounded."""
    return np.asarray(np.clip(np.rint(values * 255), 0, 255), np.uint8)
