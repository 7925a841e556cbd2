from __future__ import annotations

import json
import pickle
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from restoration.cards import write_card
from restoration.catalogue import (
    DEVICES,
    WEIGHTS_FOLDER,
    available_models,
    card_for,
    choose_models,
    file_sha256,
)
from restoration.device import resolve_device
from restoration.errors import UsageError, WeightsError
from restoration.models import load_model, read_network
from restoration.networks import (
    UNet,
    UNetConfig,
    gmac_per_megapixel,
    header_of,
    parameter_count,
)
from restoration.plan import Step
from restoration.recipe import Options, current_recipe_ids, recipe_id
from restoration.restore import Restorer

CPU = torch.device("cpu")
TASKS = ("denoise", "deblur", "colorize")
MEASURES = ("assess", "naturalness")


def test_a_new_restoration_network_is_the_identity() -> None:
    image = torch.rand(2, 3, 37, 50)
    torch.testing.assert_close(UNet(UNetConfig(widths=(8, 16, 16)))(image), image)


def untrained(config: UNetConfig) -> UNet:
    """With no layer at zero, as a new one's are."""
    network = UNet(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_a_network_at_work_says_what_it_says_in_training() -> None:
    torch.manual_seed(0)
    network, image = untrained(UNetConfig(widths=(4, 8, 8))), torch.rand(2, 3, 21, 30)
    given = image.clone()
    with torch.no_grad():
        at_work = network(image)
    # What is added up in place is nobody else's.
    torch.testing.assert_close(image, given, rtol=0, atol=0)
    torch.testing.assert_close(at_work, network(image).detach(), rtol=0, atol=0)


def test_a_network_at_work_with_16_bits_sees_its_pixels_in_32() -> None:
    network, image = untrained(UNetConfig(widths=(4, 8))), torch.rand(1, 3, 16, 16)
    seen: list[tuple[torch.dtype, torch.dtype]] = []
    network.head.register_forward_hook(
        lambda _module, inputs, output: seen.append((inputs[0].dtype, output.dtype))
    )
    bottom: list[torch.dtype] = []
    network.bottom.register_forward_hook(
        lambda _module, inputs, _output: bottom.append(inputs[0].dtype)
    )
    with torch.autocast("cpu", torch.bfloat16):
        network(image)
        with torch.inference_mode():
            network(image)
    assert [output for _, output in seen] == [torch.bfloat16, torch.float32]
    assert seen[1][0] == torch.float32
    assert bottom == [torch.bfloat16] * 2


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_size_goes_through(height: int, width: int) -> None:
    restore = UNet(UNetConfig(widths=(4, 8, 8)))
    colour = UNet(UNetConfig(1, 2, unshuffle=2, upshuffle=1, widths=(4, 8), residual=False))
    with torch.inference_mode():
        assert restore(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)
        half = (-(-height // 2), -(-width // 2))
        assert colour(torch.rand(1, 1, height, width)).shape == (1, 2, *half)


def test_size_of_the_default_network() -> None:
    network = UNet(UNetConfig())
    assert parameter_count(network) == pytest.approx(1.94e6, rel=0.01)
    # By hand: 1.9 M weights, each level's blocks cost 20.7 GMAC/MP (weights x output pixels).
    assert gmac_per_megapixel(UNetConfig()) == pytest.approx(69.4, abs=0.1)


def test_configuration_survives_its_json() -> None:
    config = UNetConfig(1, 2, unshuffle=2, upshuffle=1, widths=(4, 8), residual=False)
    assert UNetConfig.from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="configuration"):
        UNetConfig.from_json('{"widths": 3')
    with pytest.raises(ValueError, match="level"):
        UNetConfig.from_json('{"widths": 3}')
    with pytest.raises(ValueError, match="one shape"):
        UNetConfig(in_channels=1)


def test_every_task_has_a_shipped_model_and_its_card_is_true() -> None:
    assert {card.task for card in available_models()} == {*TASKS, *MEASURES}
    for card in available_models():
        path = WEIGHTS_FOLDER / card.file
        assert file_sha256(path) == card.sha256
        assert path.stat().st_size <= 16 * 2**20
        network = read_network(path)
        assert parameter_count(network) == card.parameters
        assert gmac_per_megapixel(network.config) == pytest.approx(card.gmac_per_megapixel, abs=0.1)
        assert all(tensor.dtype == torch.float16 for tensor in load_file(path).values())
        assert card.trained_on
        assert card.recipe
        assert card.metrics
        assert card.known_failures


def test_a_model_is_loaded_once() -> None:
    assert load_model("denoise", CPU) is load_model("denoise", CPU)


class Copying(TorchDispatchMode):
    """Counts copies within the device that stands for a GPU, for which nobody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.copies = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._to_copy.default and args[0].is_meta:
            self.copies += 1
        return func(*args, **(kwargs or {}))


def test_weights_are_complete_when_they_are_loaded() -> None:
    name = card_for("denoise").name
    with Copying() as mode:
        model = load_model("denoise", torch.device("meta"), chosen=(name,))
    weights = [each for each in model.network.parameters() if each.ndim == 4]
    assert all(each.is_meta for each in weights)
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in weights)
    assert mode.copies == 0, "no stream but the one that loads would wait for it"


def test_each_task_has_one_default_on_each_device() -> None:
    cards = available_models()
    for task in (*TASKS, *MEASURES):
        for device in DEVICES:
            (default,) = [c for c in cards if c.task == task and device in c.default_for]
            assert card_for(task, device=device) == default


@pytest.fixture
def two_denoisers(tmp_path: Path) -> Path:
    """Two models for denoise, `big` for CUDA and `tiny` for the CPU, and one for deblur."""
    folder = tmp_path / "two"
    folder.mkdir()
    shipped = card_for("denoise")
    shutil.copy(WEIGHTS_FOLDER / shipped.file, folder / "big.safetensors")
    config = UNetConfig(widths=(4, 8))
    tensors = UNet(config).state_dict()
    save_file(tensors, folder / "tiny.safetensors", metadata=header_of(config, "denoise"))
    tiny_sha256 = file_sha256(folder / "tiny.safetensors")
    for card in (
        replace(shipped, name="big", file="big.safetensors", default_for=("cuda",)),
        replace(shipped, name="tiny", file="tiny.safetensors", default_for=("cpu",),
                sha256=tiny_sha256),
        replace(card_for("deblur"), name="sharp"),
    ):  # fmt: skip
        write_card(card, folder / f"{card.name}.json")
    return folder


def test_a_device_has_its_default_and_a_choice_overrules_it(two_denoisers: Path) -> None:
    folder = two_denoisers
    assert card_for("denoise", folder, device="cpu").name == "tiny"
    assert card_for("denoise", folder, device="cuda").name == "big"
    assert card_for("denoise", folder, device="cpu", chosen=("big",)).name == "big"
    assert load_model("denoise", CPU, folder).card.name == "tiny"
    assert load_model("denoise", CPU, folder, chosen=("big",)).card.name == "big"
    options = Options(models=choose_models(["denoise=big"], folder))
    assert Restorer(CPU, options=options, folder=folder).model(Step.DENOISE).card.name == "big"
    write_card(replace(card_for("denoise", folder), default_for=()), folder / "tiny.json")
    with pytest.raises(WeightsError, match="default on cpu; choose one of big, tiny"):
        card_for("denoise", folder, device="cpu")


def test_recipes_follow_the_model_and_the_defaults_of_any_device_are_current(
    two_denoisers: Path,
) -> None:
    def options(*models: str) -> Options:
        return Options(steps=(Step.DENOISE, Step.DEBLUR), models=models)

    def recipe(device: str, *models: str) -> str:
        return recipe_id(options(*models), (Step.DENOISE,), two_denoisers, device=device)

    assert recipe("cpu") == recipe("cuda", "tiny") != recipe("cuda") == recipe("cpu", "big")
    assert {recipe("cpu"), recipe("cuda")} <= current_recipe_ids(options(), two_denoisers)
    chosen = current_recipe_ids(options("big"), two_denoisers)
    assert recipe("cuda") in chosen
    assert recipe("cpu") not in chosen


def test_choices_of_models(two_denoisers: Path) -> None:
    def choose(*wanted: str) -> tuple[str, ...]:
        return choose_models(wanted, two_denoisers)

    assert choose() == ()
    assert choose("denoise=tiny") == choose("tiny") == choose("tiny", "denoise=tiny") == ("tiny",)
    assert set(choose("sharp", "tiny")) == {"sharp", "tiny"}
    for wanted, complaint in (
        (
            ["huge"],
            r"no model is named 'huge'; there are big \(denoise\), .*, sharp \(deblur\)",
        ),
        (["denoise="], "no model is named ''"),
        (["deblur=tiny"], "tiny is a model for denoise, not for 'deblur'"),
        (["tiny", "big"], "tiny and big are both for denoise"),
    ):
        with pytest.raises(UsageError, match=complaint):
            choose(*wanted)


def test_cards_are_read_again_only_when_they_changed(weights: Path) -> None:
    before = available_models(weights)
    assert available_models(weights) is before
    write_card(replace(before[0], recipe="another"), weights / f"{before[0].name}.json")
    assert available_models(weights)[0].recipe == "another"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    card = card_for("denoise")
    for name in (card.file, card.file.replace(".safetensors", ".json")):
        shutil.copy(WEIGHTS_FOLDER / name, tmp_path / name)
    return tmp_path


def test_altered_weights_are_refused(weights: Path) -> None:
    path = weights / card_for("denoise").file
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="sha256"):
        load_model("denoise", CPU, weights)


def test_missing_weights_and_broken_cards_have_a_plain_message(weights: Path) -> None:
    with pytest.raises(WeightsError, match="no model for deblur"):
        load_model("deblur", CPU, weights)
    (weights / card_for("denoise").file).unlink()
    with pytest.raises(WeightsError, match="missing"):
        load_model("denoise", CPU, weights)
    (weights / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"broken\.json"):
        available_models(weights)


def test_what_is_no_weights_file_is_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(WeightsError):
        read_network(junk)
    headless = tmp_path / "headless.safetensors"
    save_file({"x": torch.zeros(3)}, headless)
    with pytest.raises(WeightsError):
        read_network(headless)
    other_shape = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(3)}, other_shape, metadata=header_of(UNetConfig(), "denoise"))
    with pytest.raises(WeightsError):
        read_network(other_shape)


class Payload:
    """What a pickle would do to whoever loads it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> object:
        return Path.touch, (self.marker,)


def test_a_pickle_is_refused_and_not_run(weights: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    path = weights / card_for("denoise").file
    for save in (torch.save, lambda value, to: to.write_bytes(pickle.dumps(value))):
        save(Payload(marker), path)
        with pytest.raises(WeightsError, match="sha256"):
            load_model("denoise", CPU, weights)
        with pytest.raises(WeightsError, match="holds no usable weights"):
            read_network(path)
    assert not marker.exists()


def safetensors_file(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(64)


def absurd_header(config: str) -> bytes:
    """A header that names a network and holds one small tensor."""
    metadata = {"architecture": "unet", "task": "denoise", "config": config}
    tensor = {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}
    return json.dumps({"__metadata__": metadata, "x": tensor}).encode()


@pytest.mark.parametrize(
    "data",
    [
        safetensors_file(b"{}", 1 << 60),
        safetensors_file(b"{}", (1 << 64) - 1),
        safetensors_file(b"[" * 1_000_000),
        safetensors_file(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        safetensors_file(b'{"x":{"dtype":"F32","shape":[4294967295,4294967295],'
                         b'"data_offsets":[0,64]}}'),
        safetensors_file(absurd_header('{"widths": [1000000, 1000000]}')),
        safetensors_file(absurd_header('{"widths": [-5]}')),
        safetensors_file(absurd_header('{"widths": [' + "8," * 60 + "8]}")),
        safetensors_file(absurd_header("[" * 100_000)),
        b"",
    ],
    ids=["2^60", "2^64", "nested list", "nested keys", "shape", "wide", "negative", "deep",
         "nested config", "empty"],
)  # fmt: skip
def test_absurd_headers_are_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "absurd.safetensors"
    path.write_bytes(data)
    with pytest.raises(
        WeightsError, match=r"^absurd\.safetensors holds no usable weights"
    ) as caught:
        read_network(path)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_devices() -> None:
    assert resolve_device("cpu") == CPU
    assert resolve_device("auto").type in ("cpu", "cuda")
    with pytest.raises(ValueError, match="unknown device"):
        resolve_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA"):
            resolve_device("cuda")
