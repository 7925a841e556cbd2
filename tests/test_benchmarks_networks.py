"""The benchmarks of networks alone: what they count, compare and leave out."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from restoration.catalogue import WEIGHTS_FOLDER, card_for
from restoration.models import read_network
from restoration.networks import UNet, UNetConfig, gmac_per_megapixel
from restoration.precision import Precision
from tests.benchmarks.speed import networks, peers, runtimes
from tests.benchmarks.speed.runtime_builders import Given, eager, frozen
from tests.benchmarks.speed.timing import BenchProcess, Case, Took, in_turns
from tests.scenes import noisy, scene


@pytest.mark.parametrize(
    ("build", "gmac", "parameters"),
    [
        (peers.ffdnet, 213, 852_108),
        (peers.drunet, 2118, 32_640_960),
        (peers.dncnn, 667, 668_227),
    ],
)
def test_architectures_cost_what_is_published(build, gmac, parameters):
    with torch.device("meta"):
        network = build()
    assert peers.gmac_per_megapixel(network) == pytest.approx(gmac, abs=0.5)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_architectures_take_photos_of_any_size():
    image = torch.rand(2, 3, 19, 30)
    for network in (
        peers.FFDNet(depth=3, width=4),
        peers.DRUNet(widths=(4, 4, 8), blocks=1),
        peers.DnCNN(depth=3, width=4),
    ):
        with torch.inference_mode():
            assert network(image).shape == image.shape


def test_torch_counts_our_networks_as_their_cards_do():
    config = UNetConfig(widths=(8, 12, 16), hidden=(8, 8, 12))
    counted = peers.gmac_per_megapixel(config.build())
    assert counted == pytest.approx(gmac_per_megapixel(config), rel=1e-6)


def arguments(**changed: object) -> Namespace:
    found = networks.parser().parse_args(["--device", "cpu", "--threads", "2"])
    found.precisions, found.shipped = ["bf16", "fp32"], Precision.BF16
    return Namespace(**{**vars(found), **changed})


def test_each_shipped_network_is_timed_beside_the_others():
    cases = list(networks.all_cases(arguments()))
    assert len(set(cases)) == len(cases)
    restoring = {card_for(task).name for task in ("denoise", "deblur", "colorize")}
    assert {case.name for case in cases} == {*restoring, "FFDNet", "DRUNet", *networks.METHODS}
    denoise, other = card_for("denoise").name, "FFDNet"
    assert [c for c in cases if c.name == other] == [
        Case(other, c.precision, c.is_tuned, c.lanes, c.shape) for c in cases if c.name == denoise
    ]
    (size,) = {case.shape for case in cases if case.name == "OpenCV NLM"}
    assert size[0] * size[1] == pytest.approx(2e6, rel=0.02)


def test_ratios_compare_like_with_like_and_as_shipped_with_as_found():
    denoise, size = card_for("denoise").name, (1152, 1728)
    ours = Case(denoise, "fp32", False, 1, size)
    shipped = Case(denoise, "bf16", True, 2, size)
    theirs = Case("FFDNet", "fp32", False, 1, size)
    times = {
        ours: [Took(1.0, 2.0), Took(10.0, 2.0)],
        shipped: [Took(0.5, 1.0), Took(5.0, 1.0)],
        theirs: [Took(3.0, 5.0), Took(30.0, 5.0)],
    }
    lines = networks.comparisons(times, arguments()).splitlines()[2:4]
    assert [line.split("|")[3:5] for line in lines] == [
        [" 3 (3–3) ", " 2.5 (2.5–2.5) "],
        [" 6 (6–6) ", " 5 (5–5) "],
    ]
    assert "as shipped" in lines[1]


def test_a_case_is_timed_here_and_in_a_process_of_its_own():
    cases = [
        Case(card_for("denoise").name, "bf16", True, 2, (32, 48)),
        Case(card_for("colorize").name, "fp32", True, 1, (32, 48)),
        Case("OpenCV NLM", "uint8", True, 1, (32, 48)),
    ]
    with BenchProcess(is_tuned=True, device="cpu", threads=2, seed=0) as process:
        times = in_turns(cases, {True: process}, repeats=2)
        with pytest.raises(ValueError, match="unpack"):
            process.run(Case("nothing", "fp32", True, 1, (32, 48)))
    assert all(took.wall_s > 0 and took.cpu_s > 0 for each in times.values() for took in each)
    assert [len(each) for each in times.values()] == [2, 2, 2]


def test_differences_are_told_from_fp32():
    network = read_network(WEIGHTS_FOLDER / card_for("denoise").file)
    assert isinstance(network, UNet)
    given = Given(network, Path("none.onnx"), [], 1)
    made = {
        runtimes.REFERENCE: eager(given, is_bf16=False),
        "the same": frozen(given),
        runtimes.SHIPPED: eager(given, is_bf16=True),
        "a level more": lambda photo: eager(given, is_bf16=False)(photo) + np.float32(1 / 255),
    }
    clean = scene(64, 96)
    pairs = [(clean, noisy(clean, 25).astype(np.float32) / 255)]
    found = runtimes.differences(made, pairs)
    assert found["the same"].largest < 0.01
    assert 0 < found[runtimes.SHIPPED].mean < found[runtimes.SHIPPED].largest < 3
    assert abs(found[runtimes.SHIPPED].psnr_db) < 0.02
    assert found["a level more"].mean == pytest.approx(1, abs=0.01)


def test_what_is_not_installed_is_left_out_and_said(capsys, monkeypatch):
    def absent(_given: Given) -> runtimes.Restore:
        raise ModuleNotFoundError("No module named 'nncf'", name="nncf.quantization")

    monkeypatch.setattr(
        runtimes, "RUNTIMES", {"int8": absent, "torch": lambda g: eager(g, is_bf16=False)}
    )
    given = Given(UNetConfig(widths=(4, 8)).build(), Path("none.onnx"), [], 1)
    assert list(runtimes.built(given, ["int8", "torch"])) == ["torch"]
    assert "int8 is left out: pip install --no-deps nncf" in capsys.readouterr().out
