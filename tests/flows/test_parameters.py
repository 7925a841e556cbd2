"""What Prefect lets through to the flow, from its form or its command line."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from flows.restore_archive import restore_archive
from flows.workers import parse_workers
from restoration.plan import ALL_STEPS, parse_steps
from restoration.precision import PRECISIONS
from restoration.self_ensemble import TURNS


def checked(**parameters: Any) -> dict[str, Any]:
    both = {"source": "photos", "destination": "restored"}
    return restore_archive.validate_parameters(both | parameters)


@pytest.mark.parametrize(
    "text",
    [
        *(",".join(some) for size in (1, 2, 3) for some in combinations(ALL_STEPS, size)),
        " denoise , colorize",
    ],
)
def test_steps_that_pass(text: str) -> None:
    parse_steps(text)
    assert checked(steps=text)["steps"] == text


@pytest.mark.parametrize(
    "text",
    ["", ",", "denoise,", ",deblur", "denoise, ,colorize", "sharpen",
     "denoise deblur", "denoise,denoise", "colorize,denoise",
     "denoise,deblur,colorize,denoise", "denoised", "Denoise"],
)  # fmt: skip
def test_steps_that_are_refused(text: str) -> None:
    with pytest.raises(ParameterTypeError, match=r"steps:"):
        checked(steps=text)


@pytest.mark.parametrize(
    "text",
    [None, "local:1", "local:32", "tcp://127.0.0.1:8786", "tls://rack.example:8786",
     "tcp://[::1]:8786"],
)  # fmt: skip
def test_workers_that_pass(text: str | None) -> None:
    parse_workers(text)
    assert checked(workers=text)["workers"] == text


@pytest.mark.parametrize(
    "text", ["", "4", "local", "local:0", "local:2x", "tcp://rack", "http://rack:8786", "tcp://:x"]
)
def test_workers_that_are_refused(text: str) -> None:
    with pytest.raises(ParameterTypeError, match=r"workers:"):
        checked(workers=text)


def test_the_form_knows_the_patterns() -> None:
    properties = parameter_schema(restore_archive.fn).properties
    assert "pattern" in properties["steps"]
    text, nothing = properties["workers"]["anyOf"]
    assert "pattern" in text
    assert nothing == {"type": "null"}
    assert "default" in properties["workers"]


@pytest.mark.parametrize(
    "resources",
    [{"memory_gb": 0}, {"memory_gb": -1.5}, {"gpu_memory_gb": 0}, {"threads": 0}, {"threads": 1.5},
     {"precision": "int8"}, {"precision": ""}],
)  # fmt: skip
def test_resources_that_are_refused(resources: dict[str, Any]) -> None:
    (name,) = resources
    with pytest.raises(ParameterTypeError, match=rf"{name}:"):
        checked(**resources)


@pytest.mark.parametrize("passes", [0, 3, 16, -2, 2.5, "8 times", None])
def test_passes_that_are_refused(passes: Any) -> None:
    with pytest.raises(ParameterTypeError, match=r"passes"):
        checked(passes=passes)


def test_passes_that_pass() -> None:
    assert [checked(passes=passes)["passes"] for passes in TURNS] == list(TURNS)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_resources_that_pass(precision: str) -> None:
    passed = checked(memory_gb=0.5, gpu_memory_gb=10, threads=3, precision=precision)
    assert (passed["memory_gb"], passed["threads"], passed["precision"]) == (0.5, 3, precision)
