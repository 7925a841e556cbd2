r"""Make a colorize network's colours more or less vivid: how vivid, against how near to the truth.

Squared error rewards the mean of all plausible colours, which is duller than any of them; a
network without bins has one factor on its last layer that gives back some vividness for little
PSNR. A network with bins learned under weights that favour rare colours: how much of that favour
stays (logit adjustment: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021), the
temperature of the annealed mean and a factor on the result decide. Chosen on photographs held out
from training, and written into the weights. `--data`, `--exclude`, `--held-out` and `--patch` must
be those of the training, and `--limit` if it had one: they decide which photographs it held out.

    python -m restoration.training.calibrate WEIGHTS --data DIR            # prints the trade-off
    python -m restoration.training.calibrate WEIGHTS --factor 1.3 --output FILE
    python -m restoration.training.calibrate WEIGHTS --data DIR --favour 0.5 --temperature 0.6 \
        --gain 1.35 --output FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from restoration.colorize import colorize
from restoration.colour import as_gray, luma8
from restoration.errors import UsageError, WeightsError
from restoration.models import read_network, without_card
from restoration.networks import ColourUNet, Network, UNet
from restoration.quality import colourfulness, psnr_db
from restoration.training.colour_task import Colorize
from restoration.training.data import HELD_OUT, Byte, load_photos, photo_sources
from restoration.training.duplicates import excluded
from restoration.training.weights import save_weights

FACTORS: Final = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
FAVOURS: Final = (0.75, 0.5, 0.25)
TEMPERATURES: Final = (1.0, 0.6)
GAINS: Final = (1.0, 1.25, 1.5)


@dataclass(frozen=True)
class Vividness:
    """How a network with bins speaks.

    Attributes:
        favour: of rare colours: 1 as trained; 0 names each colour as often as it occurs.
        temperature: of the annealed mean.
        gain: factor on the chroma.
    """

    favour: float
    temperature: float
    gain: float

    def __str__(self) -> str:
        return f"favour {self.favour:g}, temperature {self.temperature:g}, gain {self.gain:g}"


def scaled(network: Network, factor: float) -> UNet | ColourUNet:
    """A copy of a network whose chroma is `factor` times as large.

    Raises:
        UsageError: the network is no `UNet`, nor a `ColourUNet` without bins.
    """
    copy = network.config.build()
    if not isinstance(copy, UNet | ColourUNet) or (isinstance(copy, ColourUNet) and copy.bins):
        raise UsageError(
            "a factor suits a unet, or a colour_unet without bins, not this "
            f"{network.config.architecture}"
        )
    copy.load_state_dict(network.state_dict())
    assert copy.tail.bias is not None
    with torch.no_grad():
        copy.tail.weight.mul_(factor)
        copy.tail.bias.mul_(factor)
    return copy.eval().requires_grad_(False)


def speaking(network: ColourUNet, weights: Tensor, vividness: Vividness) -> ColourUNet:
    """A copy of a network with bins that is as vivid as asked.

    Args:
        network: with Q bins.
        weights: of the bins in training, (Q,).
        vividness: of the copy; favour is relative to what the network says now.
    """
    config = replace(network.config, temperature=vividness.temperature, gain=vividness.gain)
    copy = config.build()
    copy.load_state_dict(network.state_dict())
    assert copy.tail.bias is not None
    with torch.no_grad():
        # Training under weights w makes the network say p w / sum(p w) for the probability p.
        copy.tail.bias.sub_((1 - vividness.favour) * weights.log())
    return copy.eval().requires_grad_(False)


def score(network: Network, photos: Sequence[Byte]) -> tuple[float, float]:
    """Mean PSNR in dB against the true photos, and mean colourfulness."""
    model = without_card(network, "colorize", "candidate", torch.device("cpu"))
    results = [colorize(luma8(photo), model) for photo in photos]
    psnr = np.mean([psnr_db(a, b) for a, b in zip(photos, results, strict=True)])
    return float(psnr), float(np.mean([colourfulness(result) for result in results]))


def variants(network: Network, weights: Tensor | None) -> Iterator[tuple[str, Network]]:
    """Names of settings, and the network with each."""
    if isinstance(network, ColourUNet) and weights is not None:
        for settings in product(FAVOURS, TEMPERATURES, GAINS):
            vividness = Vividness(*settings)
            yield str(vividness), speaking(network, weights, vividness)
        return
    for factor in FACTORS:
        yield f"factor {factor:.1f}", scaled(network, factor)


def main() -> None:
    """Print the trade-off, or write calibrated weights."""
    parser = _parser()
    try:
        _run(parser.parse_args())
    except (UsageError, WeightsError) as error:
        parser.error(str(error))


def _run(arguments: argparse.Namespace) -> None:
    network = read_network(arguments.weights)
    if arguments.factor is not None and arguments.output is not None:
        _write(scaled(network, arguments.factor), arguments.output)
        return
    if (arguments.factor or arguments.favour) and arguments.output is None:
        raise UsageError("--factor and --favour say what to write: --output FILE is needed")
    task = Colorize(config=network.config, patch=arguments.patch)
    if arguments.favour is not None and not task.bin_step:
        raise UsageError("--favour is for networks with chroma bins")
    photos = load_photos(
        arguments.data,
        minimum_side=task.minimum_side,
        limit=arguments.limit,
        largest_short_side=task.largest_short_side,
        validation=arguments.held_out,
        excluded=excluded(photo_sources(arguments.exclude)) if arguments.exclude else None,
    )
    weights = task.informed(photos.train).weights
    if arguments.favour is not None and arguments.output is not None:
        assert isinstance(network, ColourUNet)
        assert weights is not None
        chosen = Vividness(arguments.favour, arguments.temperature, arguments.gain)
        _write(speaking(network, weights, chosen), arguments.output)
        return
    print(_reference(photos.validation), flush=True)
    for name, candidate in variants(network, weights):
        psnr, colours = score(candidate, photos.validation)
        print(f"{name}: {psnr:.2f} dB, colourfulness {colours:.1f}", flush=True)


def _reference(photos: Sequence[Byte]) -> str:
    """What the settings are to be compared with."""
    gray = [as_gray(photo) for photo in photos]
    psnr = float(np.mean([psnr_db(a, b) for a, b in zip(photos, gray, strict=True)]))
    colours = float(np.mean([colourfulness(photo) for photo in photos]))
    return f"gray: {psnr:.2f} dB; true photographs: colourfulness {colours:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="DIR",
                        help="as in training")  # fmt: skip
    parser.add_argument("--exclude", type=Path, action="append", default=[], metavar="DIR",
                        help="as in training")  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="as in training")
    parser.add_argument("--held-out", type=int, default=HELD_OUT, metavar="N",
                        help="as in training; the choice is made on these photographs "
                        f"(default: {HELD_OUT})")  # fmt: skip
    parser.add_argument("--patch", type=int, default=Colorize.patch, metavar="PIXELS",
                        help=f"as in training (default: {Colorize.patch})")  # fmt: skip
    parser.add_argument("--factor", type=float)
    parser.add_argument("--favour", type=float)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--gain", type=float, default=1.0)
    parser.add_argument("--output", type=Path)
    return parser


def _write(network: Network, path: Path) -> None:
    save_weights(network.state_dict(), network.config, path, task="colorize")


if __name__ == "__main__":
    main()
