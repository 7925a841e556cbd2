"""Network architectures; weights for them live in `restoration.weights`."""

from restoration.networks.unet import UNet, UNetConfig, gmac_per_megapixel, parameter_count

__all__ = ["UNet", "UNetConfig", "gmac_per_megapixel", "parameter_count"]
