"""EfficientNet-Lite0, the encoder that brings a sense of what is in a picture.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
in the "lite" variant that its authors published for small devices: ReLU6 instead of swish, no
squeeze-and-excitation. The building block is that of Sandler et al., "MobileNetV2: Inverted
Residuals and Linear Bottlenecks", CVPR 2018.

There is no batch norm: its fixed statistics are folded into the convolutions before training
starts (`restoration.training.encoder_weights`), so that training, evaluation and half precision
compute the same function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks of one width.

    Attributes:
        blocks: how many.
        kernel: side of the depthwise kernels in pixels.
        stride: of the first block.
        expansion: channels inside a block over channels at its input.
        width: channels at its output.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STEM_WIDTH: Final = 32
STAGES: Final = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, width=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, width=24),
    Stage(blocks=2, kernel=5, stride=2, expansion=6, width=40),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, width=80),
    Stage(blocks=3, kernel=5, stride=1, expansion=6, width=112),
    Stage(blocks=4, kernel=5, stride=2, expansion=6, width=192),
    Stage(blocks=1, kernel=3, stride=1, expansion=6, width=320),
)
HEAD_WIDTH: Final = 1280
"""Channels of the pooled features from which the original names one of 1,000 classes."""
SKIP_WIDTHS: Final = (16, 24, 40, 112, 320)
"""Channels of the feature maps at a half, a quarter, ... a 32nd of the input's sides."""
SKIP_SIZES: Final = (5.8, 8.4, 7.6, 6.8, 3.0)
"""Root mean square of these maps with the pretrained weights on gray photographs at 160 pixels."""
STRIDE: Final = 32
"""Input sides must be multiples of this many pixels."""
_SKIP_STAGES: Final = (0, 1, 2, 4, 6)


class Features(NamedTuple):
    """What the encoder sees.

    Attributes:
        maps: (N, C, H / s, W / s) for C in `SKIP_WIDTHS` and strides s of 2, 4, 8, 16, 32.
        pooled: (N, `HEAD_WIDTH`, 1, 1), the mean over the picture of its most abstract features.
    """

    maps: tuple[Tensor, ...]
    pooled: Tensor


class EfficientNetLite0(nn.Module):
    """The network without its last, naming layer.

    Args:
        in_channels: 3 for R'G'B', 1 for luma.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = SameConv2d(in_channels, STEM_WIDTH, 3, stride=2)
        self.stages = nn.ModuleList()
        width = STEM_WIDTH
        for stage in STAGES:
            blocks = [InvertedResidual(width, stage, stage.stride)]
            blocks += [InvertedResidual(stage.width, stage, 1) for _ in range(stage.blocks - 1)]
            self.stages.append(nn.Sequential(*blocks))
            width = stage.width
        self.head = nn.Conv2d(width, HEAD_WIDTH, 1)

    def forward(self, image: Tensor) -> Features:
        """See a batch of images.

        Args:
            image: (N, in_channels, H, W) in [-1, 1]: 8-bit values less 127, over 128. Sides are
                multiples of `STRIDE`.
        """
        x = functional.relu6(self.stem(image))
        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _SKIP_STAGES:
                maps.append(x)
        pooled = functional.relu6(self.head(x)).mean((2, 3), keepdim=True)
        return Features(tuple(maps), pooled)


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; added to the input where shapes agree."""

    def __init__(self, width: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = width * stage.expansion
        self.expand = nn.Conv2d(width, inner, 1) if stage.expansion > 1 else None
        self.depthwise = SameConv2d(inner, inner, stage.kernel, stride=stride, groups=inner)
        self.project = nn.Conv2d(inner, stage.width, 1)
        self.is_residual = stride == 1 and width == stage.width

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, H, W) to (N, stage.width, H / stride, W / stride)."""
        inner = x if self.expand is None else functional.relu6(self.expand(x))
        out: Tensor = self.project(functional.relu6(self.depthwise(inner)))
        return x + out if self.is_residual else out


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME", with which the weights were trained.

    At stride 2 and even sides that is one pixel less at the top and left than at the bottom and
    right.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(
            in_channels, out_channels, kernel, stride=stride, padding=padding, groups=groups
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, in_channels, H, W)."""
        if self.stride[0] > 1:
            total = self.kernel_size[0] - self.stride[0]
            before = total // 2
            x = functional.pad(x, (before, total - before) * 2)
        learns = self.training and (x.requires_grad or self.weight.requires_grad)
        if self.groups > 1 and learns and x.device.type == "cpu":
            # oneDNN's gradients of depthwise convolutions take 4 to 10 times as long in bfloat16
            # as in float32.
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float())
        return super().forward(x)
