"""Network architectures; weights for them live in `restoration.weights`."""

from restoration.networks.base import (
    Network,
    NetworkConfig,
    gmac_per_megapixel,
    pad_to_multiple,
    parameter_count,
)
from restoration.networks.registry import ARCHITECTURES, config_from_header, header_of
from restoration.networks.unet import UNet, UNetConfig

__all__ = [
    "ARCHITECTURES",
    "Network",
    "NetworkConfig",
    "UNet",
    "UNetConfig",
    "config_from_header",
    "gmac_per_megapixel",
    "header_of",
    "pad_to_multiple",
    "parameter_count",
]
