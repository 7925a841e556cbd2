"""What every network architecture has: a configuration that can be written down and built."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional


class Network(nn.Module):
    """A fully convolutional image network: any height and width in."""

    config: NetworkConfig

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, H, W) in [0, 1] to (N, C', H', W'), not clipped."""
        raise NotImplementedError

    def pretrained(self) -> tuple[nn.Parameter, ...]:
        """Parameters that may start from another task's weights, and then learn more slowly."""
        return ()


@dataclass(frozen=True)
class NetworkConfig(ABC):
    """Shape of a network: everything needed to build it before its weights are read.

    Attributes:
        in_channels: channels of the input image.
        out_channels: channels of the output image.
    """

    architecture: ClassVar[str]
    """Name in weights files and on the command line."""

    in_channels: int = 3
    out_channels: int = 3

    @property
    @abstractmethod
    def multiple(self) -> int:
        """Height and width of the input are padded to a multiple of this many pixels."""

    @property
    def scale(self) -> float:
        """Side of the output over side of the input."""
        return 1.0

    @property
    def sees_pixels(self) -> bool:
        """Whether its cost grows with the photograph; that of others counts as none."""
        return True

    @property
    def context(self) -> int:
        """Pixels around a tile whose content still moves its result by as much as 1/255.

        The three-level U-Net's receptive field reaches about 60 px; what lies beyond 48 does not.
        """
        return 48

    @abstractmethod
    def build(self) -> Network:
        """A new network with untrained weights."""

    def to_json(self) -> str:
        """This configuration as the JSON text kept in a weights file's header."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is not such a configuration.
        """
        try:
            values = json.loads(text)
            for name, value in values.items():
                if isinstance(value, list):
                    values[name] = tuple(int(item) for item in value)
            return cls(**values)
        except (AttributeError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"not a configuration of the {cls.architecture} architecture: {text[:80]!r}"
            ) from error


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Pad (N, C, H, W) at the bottom and right so that both sides divide by `multiple`."""
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not bottom and not right:
        return image
    # Reflection needs more pixels than it pads; tiny images repeat their edge instead.
    mode = "reflect" if bottom < height and right < width else "replicate"
    return functional.pad(image, (0, right, 0, bottom), mode=mode)


def parameter_count(network: nn.Module) -> int:
    """Number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def gmac_per_megapixel(config: NetworkConfig, side: int = 512) -> float:
    """Multiply-accumulates of the convolutions, in 10^9 per 10^6 input pixels.

    Counted by running the network on the meta device (shapes only) at side x side pixels:
    every output position of a convolution (input position of a transposed one) costs as many as
    its kernel has weights.
    """
    if not config.sees_pixels:
        return 0.0
    macs = 0.0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        if isinstance(module, nn.ConvTranspose2d):
            # Each input position meets each weight once: the kernel is (in, out / groups, ...).
            macs += inputs[0][0, 0].numel() * module.weight.numel()
        elif isinstance(module, nn.Conv2d):
            macs += output[0, 0].numel() * module.weight.numel()

    with torch.device("meta"):
        network = config.build().eval()
    for module in network.modules():
        module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, config.in_channels, side, side, device="meta"))
    return macs / side**2 / 1e3
