"""Network architectures; weights for them live in `restoration.weights`."""

from restoration.networks.base import (
    Network,
    NetworkConfig,
    gmac_per_megapixel,
    pad_to_multiple,
    parameter_count,
)
from restoration.networks.chroma_bins import ChromaBins
from restoration.networks.colour_unet import ColourUNet, ColourUNetConfig
from restoration.networks.registry import ARCHITECTURES, config_from_header, header_of
from restoration.networks.unet import UNet, UNetConfig
from restoration.networks.unet_256 import ReformedUNet256Config, UNet256Config
from restoration.networks.unet_dcgan import DCGANUNetConfig
from restoration.networks.unet_maxpool import MaxPoolUNetConfig

__all__ = [
    "ARCHITECTURES",
    "ChromaBins",
    "ColourUNet",
    "ColourUNetConfig",
    "DCGANUNetConfig",
    "MaxPoolUNetConfig",
    "Network",
    "NetworkConfig",
    "ReformedUNet256Config",
    "UNet",
    "UNet256Config",
    "UNetConfig",
    "config_from_header",
    "gmac_per_megapixel",
    "header_of",
    "pad_to_multiple",
    "parameter_count",
]
