"""The architectures by name, and how a weights file's header names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from restoration.networks.base import NetworkConfig
from restoration.networks.colour_unet import ColourUNetConfig
from restoration.networks.natural_statistics import NaturalStatisticsConfig
from restoration.networks.statistics_regressor import StatisticsRegressorConfig
from restoration.networks.unet import UNetConfig
from restoration.networks.unet_256 import ReformedUNet256Config, UNet256Config
from restoration.networks.unet_dcgan import DCGANUNetConfig
from restoration.networks.unet_maxpool import MaxPoolUNetConfig

ARCHITECTURES: Final[dict[str, type[NetworkConfig]]] = {
    config.architecture: config
    for config in (
        UNetConfig,
        ColourUNetConfig,
        UNet256Config,
        ReformedUNet256Config,
        MaxPoolUNetConfig,
        DCGANUNetConfig,
    )
}
"""Image to image."""

REGRESSORS: Final[dict[str, type[NetworkConfig]]] = {
    config.architecture: config for config in (StatisticsRegressorConfig, NaturalStatisticsConfig)
}
"""Statistics of a photograph to measurements."""


def header_of(config: NetworkConfig, task: str) -> dict[str, str]:
    """What a safetensors header says of its network and of the task it was trained for."""
    return {"task": task, "architecture": config.architecture, "config": config.to_json()}


def config_from_header(header: Mapping[str, str]) -> NetworkConfig:
    """The configuration that `header_of` wrote.

    Raises:
        ValueError: the header names no architecture that is known here.
    """
    name = header.get("architecture", "")
    known = ARCHITECTURES | REGRESSORS
    if name not in known:
        raise ValueError(f"unknown architecture {name!r}")
    return known[name].from_json(header.get("config", ""))
