"""What a user would take in our place: a loop over a folder, as the libraries' examples have it.

To be started in a fresh process, as `side_by_side` does.

python -m tests.benchmarks.speed.alternatives NAME OUT PHOTO… [--sigma 20] [--device cpu]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.speed.photos import JPEG_QUALITY

Byte = NDArray[np.uint8]
Denoise = Callable[[Byte], Byte]

STRENGTH = 0.6
"""Of non-local means over the noise sigma: as in `restoration.evaluation.peers`."""


def opencv_nlm(sigma: float | None, _device: str) -> Denoise:
    """`fastNlMeansDenoisingColored` with the windows of OpenCV's example."""

    def denoise(picture: Byte) -> Byte:
        strength = STRENGTH * (estimated(picture) if sigma is None else sigma)
        return cv2.fastNlMeansDenoisingColored(picture, None, strength, strength, 7, 21)

    return denoise


def skimage_nlm(sigma: float | None, _device: str) -> Denoise:
    """`denoise_nl_means` in fast mode, with the windows of scikit-image's example."""
    from skimage.restoration import denoise_nl_means

    def denoise(picture: Byte) -> Byte:
        own = (estimated(picture) if sigma is None else sigma) / 255
        return to_bytes(
            denoise_nl_means(
                picture / 255.0, patch_size=5, patch_distance=6, h=STRENGTH * own, sigma=own,
                fast_mode=True, channel_axis=-1,
            )
        )  # fmt: skip

    return denoise


def skimage_wavelet(sigma: float | None, _device: str) -> Denoise:
    """`denoise_wavelet` as in scikit-image's example."""
    from skimage.restoration import denoise_wavelet

    def denoise(picture: Byte) -> Byte:
        own = (estimated(picture) if sigma is None else sigma) / 255
        return to_bytes(
            denoise_wavelet(
                picture / 255.0, sigma=own, rescale_sigma=True, convert2ycbcr=True, channel_axis=-1
            )
        )

    return denoise


def ffdnet(_sigma: float | None, device: str) -> Denoise:
    """FFDNet's layers; the weights are random."""
    from tests.benchmarks.speed.peers import ffdnet as layers

    return with_network(layers(), device)


def drunet(_sigma: float | None, device: str) -> Denoise:
    """DRUNet's layers; the weights are random."""
    from tests.benchmarks.speed.peers import drunet as layers

    return with_network(layers(), device)


ALTERNATIVES: Mapping[str, Callable[[float | None, str], Denoise]] = {
    "OpenCV NLM": opencv_nlm,
    "scikit-image NLM": skimage_nlm,
    "scikit-image wavelet": skimage_wavelet,
    "FFDNet's layers": ffdnet,
    "DRUNet's layers": drunet,
}
HAS_ANSWER = ("OpenCV NLM", "scikit-image NLM", "scikit-image wavelet")
"""Those whose pictures mean something."""


def with_network(network: torch.nn.Module, device: str) -> Denoise:
    """A photo whole, in fp32, eager, channels-last."""
    network = network.eval().to(device).to(memory_format=torch.channels_last)

    def denoise(picture: Byte) -> Byte:
        values = torch.from_numpy(picture).to(device).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            found = network(values.contiguous(memory_format=torch.channels_last))
        return found[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()

    return denoise


def estimated(picture: Byte) -> float:
    """The noise sigma by scikit-image, 8-bit units."""
    from skimage.restoration import estimate_sigma

    return 255 * float(estimate_sigma(picture / 255.0, channel_axis=-1, average_sigmas=True))


def to_bytes(values: NDArray[np.floating]) -> Byte:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=ALTERNATIVES)
    parser.add_argument("out", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--sigma", type=float, help="of the noise; estimated where it is not told")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    denoise = ALTERNATIVES[arguments.name](arguments.sigma, arguments.device)
    arguments.out.mkdir(parents=True, exist_ok=True)
    wall, cpu = time.perf_counter(), time.process_time()
    for path in arguments.photos:
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        result = cv2.cvtColor(denoise(picture), cv2.COLOR_RGB2BGR)
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
        cv2.imwrite(str(arguments.out / path.name), result, quality)
    print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
