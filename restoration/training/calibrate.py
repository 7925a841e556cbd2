"""Scale a colorize network's chroma: how vivid, against how near to the true photo.

Squared error rewards the mean of all plausible colours, which is duller than any of them. One
factor on the last layer gives back some vividness for little PSNR; it is chosen on photographs
held out from training, and baked into the weights.

    python -m restoration.training.calibrate WEIGHTS --data DIR            # prints the trade-off
    python -m restoration.training.calibrate WEIGHTS --factor 1.3 --output FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from restoration.colorize import colorize
from restoration.colour import luma8
from restoration.errors import UsageError
from restoration.models import read_network, without_card
from restoration.networks import Network, UNet
from restoration.quality import colourfulness, psnr_db
from restoration.training.data import Byte, load_photos
from restoration.training.weights import save_weights

FACTORS = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)


def scaled(network: Network, factor: float) -> UNet:
    """A copy of a network whose output is `factor` times as large.

    Raises:
        UsageError: the network is no `UNet`.
    """
    copy = network.config.build()
    if not isinstance(copy, UNet):
        raise UsageError(f"a {network.config.architecture} network cannot be calibrated")
    copy.load_state_dict(network.state_dict())
    with torch.no_grad():
        copy.tail.weight.mul_(factor)
        assert copy.tail.bias is not None
        copy.tail.bias.mul_(factor)
    return copy.eval().requires_grad_(False)


def score(network: Network, photos: Sequence[Byte]) -> tuple[float, float]:
    """Mean PSNR in dB against the true photos, and mean colourfulness."""
    model = without_card(network, "colorize", "candidate", torch.device("cpu"))
    results = [colorize(luma8(photo), model) for photo in photos]
    psnr = np.mean([psnr_db(a, b) for a, b in zip(photos, results, strict=True)])
    return float(psnr), float(np.mean([colourfulness(result) for result in results]))


def main() -> None:
    """Print the trade-off, or write scaled weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--photos", type=int, default=60, help="held-out photographs to use")
    parser.add_argument("--factor", type=float)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    network = read_network(arguments.weights)
    if arguments.factor is not None and arguments.output is not None:
        weights = scaled(network, arguments.factor).state_dict()
        save_weights(weights, network.config, arguments.output, task="colorize")
        return
    photos = load_photos(arguments.data, minimum_side=96, validation=arguments.photos).validation
    for factor in FACTORS:
        psnr, colours = score(scaled(network, factor), photos)
        print(f"factor {factor:.1f}: {psnr:.2f} dB, colourfulness {colours:.1f}")


if __name__ == "__main__":
    main()
