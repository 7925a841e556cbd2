"""One network in several runtimes, each a function from a photo to a photo.

ONNX Runtime, OpenVINO and NNCF are no dependencies of ours; where one is missing, its builder says
what to install. All others than torch read one ONNX file, which torch writes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from restoration.networks import UNet

Float = NDArray[np.float32]
Restore = Callable[[Float], Float]
"""(H, W, 3) in [0, 1], contiguous, as photos are in memory; sides divide by the network's
multiple."""


@dataclass(frozen=True)
class Given:
    """What a runtime is made of.

    Attributes:
        network: fp32, channels-last, in evaluation mode.
        exported: the same as an ONNX file.
        calibration: photographs (H, W, 3) that show int8 which values there are.
        threads: that it may use.
    """

    network: UNet
    exported: Path
    calibration: Sequence[Float]
    threads: int


class Aligned(nn.Module):
    """A U-Net for photos that need no padding, as its `forward`."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network.of_aligned(image)


def export(network: UNet, path: Path) -> Path:
    """Write a network as ONNX, for photos of any size.

    Raises:
        ModuleNotFoundError: the package onnx is missing.
    """
    axes = {0: "photos", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        # torch's newer exporter wants another package, and the older one says so.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Aligned(network).eval(), (torch.rand(1, 3, 64, 64),), str(path), dynamo=False,
            input_names=["image"], output_names=["restored"],
            dynamic_axes={"image": axes, "restored": axes},
        )  # fmt: skip
    return path


def eager(given: Given, *, is_bf16: bool) -> Restore:
    return _with_torch(Aligned(given.network), is_bf16=is_bf16)


def compiled(given: Given, *, is_bf16: bool) -> Restore:
    """TorchInductor, weights in the order in which oneDNN wants them, ReLUs fused."""
    network = torch.compile(Aligned(given.network), dynamic=False, options={"freezing": True})
    return _with_torch(network, is_bf16=is_bf16)


def frozen(given: Given) -> Restore:
    """TorchScript, `freeze` and `optimize_for_inference`."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is called old
        example = torch.rand(1, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        traced = torch.jit.trace(Aligned(given.network).eval(), example, check_trace=False)
        network = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return _with_torch(network, is_bf16=False)


def onnx_runtime(given: Given, *, is_int8: bool = False) -> Restore:
    import onnxruntime

    path = _int8_for_onnx_runtime(given) if is_int8 else given.exported
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = given.threads, 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda photo: _picture(session.run(None, {"image": _planes(photo)})[0])


def openvino(given: Given, *, precision: str) -> Restore:
    import openvino

    return _in_openvino(openvino.Core().read_model(given.exported), precision, given.threads)


def openvino_int8(given: Given, *, keeps_ends: bool) -> Restore:
    """Post-training quantisation by NNCF: symmetric, per channel of the weights.

    Args:
        given: whose calibration photographs are used.
        keeps_ends: whether the first and the last convolution calculate in bf16.
    """
    import nncf
    import openvino

    nncf.set_log_level(40)
    model = openvino.Core().read_model(given.exported)
    with redirect_stdout(sys.stderr):  # its bars of progress have no place among tables
        quantised = nncf.quantize(
            model,
            nncf.Dataset([_planes(photo) for photo in given.calibration]),
            preset=nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(given.calibration),
            fast_bias_correction=False,
            ignored_scope=nncf.IgnoredScope(patterns=["/(head|tail)/.*"]) if keeps_ends else None,
        )
    return _in_openvino(quantised, "bf16", given.threads)


RUNTIMES: Mapping[str, Callable[[Given], Restore]] = {
    "torch fp32": lambda given: eager(given, is_bf16=False),
    "torch bf16": lambda given: eager(given, is_bf16=True),
    "torch.compile fp32": lambda given: compiled(given, is_bf16=False),
    "torch.compile bf16": lambda given: compiled(given, is_bf16=True),
    "torch.jit fp32": frozen,
    "ONNX Runtime fp32": onnx_runtime,
    "ONNX Runtime int8, ends fp32": lambda given: onnx_runtime(given, is_int8=True),
    "OpenVINO fp32": lambda given: openvino(given, precision="f32"),
    "OpenVINO bf16": lambda given: openvino(given, precision="bf16"),
    "OpenVINO int8": lambda given: openvino_int8(given, keeps_ends=False),
    "OpenVINO int8, ends bf16": lambda given: openvino_int8(given, keeps_ends=True),
}
PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "nncf": "nncf", "onnx": "onnx"}
"""Modules and what to install for them; --no-deps keeps them from changing torch or numpy."""


def _with_torch(network: Callable[[Tensor], Tensor], *, is_bf16: bool) -> Restore:
    def restore(photo: Float) -> Float:
        image = torch.from_numpy(photo).permute(2, 0, 1)[None]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            return _picture(network(image).float().numpy())

    return restore


def _in_openvino(model: object, precision: str, threads: int) -> Restore:
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    request = openvino.compile_model(model, "CPU", settings).create_infer_request()
    return lambda photo: _picture(request.infer({0: _planes(photo)})[0])


def _int8_for_onnx_runtime(given: Given) -> Path:
    """Quantise the convolutions but the first and the last one; "QDQ", per channel."""
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.photos = iter(given.calibration)

        def get_next(self) -> dict[str, Float] | None:
            photo = next(self.photos, None)
            return None if photo is None else {"image": _planes(photo)}

    quantised = given.exported.with_suffix(".int8.onnx")
    ends = [
        node.name
        for node in onnx.load(given.exported).graph.node
        if node.name.startswith(("/network/head", "/network/tail"))
    ]
    quantization.quantize_static(
        given.exported, quantised, Reader(), per_channel=True, nodes_to_exclude=ends,
        quant_format=quantization.QuantFormat.QDQ, activation_type=quantization.QuantType.QUInt8,
        op_types_to_quantize=["Conv", "ConvTranspose"],
    )  # fmt: skip
    return quantised


def _planes(photo: Float) -> Float:
    return np.ascontiguousarray(photo.transpose(2, 0, 1)[None])


def _picture(planes: Float) -> Float:
    return planes[0].transpose(1, 2, 0)
