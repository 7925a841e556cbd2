"""What is a decision file, and what is one clear line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import flows.decisions
from flows.decisions import (
    MAX_NOTE_LENGTH,
    VERSION_KEY,
    DecisionFile,
    PhotoDecision,
    parse_decisions,
    read_decisions,
)
from restoration.errors import UsageError
from restoration.plan import Step
from restoration.settings import PhotoSettings
from storage.manifest import Decision

SHA = "0123456789abcdef" * 4


def content() -> dict[str, Any]:
    return {
        VERSION_KEY: 1,
        "archive": "s3://archive/restored",
        "reviewer": " Anna Öz ",
        "decisions": [
            {
                "source": "1923/böx <4>\n.jpg",
                "run_id": "20261122T023355Z-1f2e3d",
                "restored_sha256": SHA,
                "decision": "redo",
                "note": " less,\nplease ",
                "settings": {"steps": ["denoise"], "strength": 1, "keep_grain": 0.3},
                "time": "2026-11-22T04:00:00.125+01:00",
            },
            {
                "source": "b.jpg",
                "run_id": "x",
                "restored_sha256": None,
                "decision": "accepted",
                "time": "2026-11-22T03:00:00Z",
            },
        ],
    }


def parsed(value: object) -> DecisionFile:
    return parse_decisions(json.dumps(value).encode())


def test_everything_is_read() -> None:
    read = parse_decisions(b"\xef\xbb\xbf" + json.dumps(content(), ensure_ascii=False).encode())
    assert (read.archive, read.reviewer) == ("s3://archive/restored", "Anna Öz")
    assert read.decisions == (
        PhotoDecision(
            "1923/böx <4>\n.jpg",
            "20261122T023355Z-1f2e3d",
            SHA,
            Decision.REDO,
            datetime(2026, 11, 22, 3, 0, 0, 125_000, tzinfo=UTC),
            "less,\nplease",
            PhotoSettings((Step.DENOISE,), 1.0, 0.3),
        ),
        PhotoDecision("b.jpg", "x", None, Decision.ACCEPTED, datetime(2026, 11, 22, 3, tzinfo=UTC)),
    )


def test_who_decided_and_settings_may_be_missing() -> None:
    value = content()
    del value["reviewer"]
    for settings in (None, {}):
        value["decisions"][0]["settings"] = settings
        read = parsed(value)
        assert (read.reviewer, read.decisions[0].settings) == ("", None)
    value["decisions"] = []
    assert parsed(value).decisions == ()


def of_first(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["decisions"][0].update(values)


def of_file(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value.update(values)


NAMED = r"decision 1 \(1923/böx <4>\\n.jpg\): "


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (of_file(**{VERSION_KEY: 2}), "decisions of version 2 are not read, only of 1"),
        (of_file(**{VERSION_KEY: True}), "decisions of version True"),
        (of_file(**{VERSION_KEY: None}), "no decision file"),
        (of_file(decisions={}), "'decisions' must be a list"),
        (of_file(decisions=["a"]), "decision 1 must be an object"),
        (of_file(archive=""), "the file: archive must be a text that is not empty"),
        (of_file(reviewer=3), "the file: reviewer must be a text"),
        (of_file(reviewer="a\nb"), "the reviewer must be one line"),
        (of_file(colour="red"), "the file: colour is not known; there are"),
        (of_first(source=3), "decision 1: source must be a text"),
        (of_first(source="\ud800"), "decision 1: source is no Unicode text"),
        (of_first(source="x" * 5000), "decision 1: source has 5000 characters, at most 4096"),
        (of_first(source="b.jpg"), "decisions 1 and 2 are both about b.jpg"),
        (of_first(run_id=None), f"{NAMED}run_id must be a text that is not empty"),
        (of_first(restored_sha256="AB"), f"{NAMED}restored_sha256 must be null or 64"),
        (of_first(restored_sha256=f"{SHA}\n"), f"{NAMED}restored_sha256 must be null or 64"),
        (of_first(decision="maybe"), f"{NAMED}decision must be one of accepted, rejected, redo"),
        (of_first(decision=["redo"]), f"{NAMED}decision must be one of"),
        (of_first(decision="rejected"), f"{NAMED}settings belong to redo, not to rejected"),
        (of_first(note=["a"]), f"{NAMED}note must be a text"),
        (of_first(note="x" * (MAX_NOTE_LENGTH + 1)), f"{NAMED}note has 4001 characters"),
        (of_first(time="2026-11-22T03:00:00"), f"{NAMED}time must be one of ISO 8601"),
        (of_first(time="0001-01-01T00:00:00+23:59"), f"{NAMED}time must be one of ISO 8601"),
        (of_first(time=1.5), f"{NAMED}time must be one of ISO 8601"),
        (of_first(seen=True), "decision 1: seen is not known; there are"),
        (of_first(settings=[]), f"{NAMED}settings must be an object"),
        (of_first(settings={"lustre": 1}), f"{NAMED}settings: 'lustre' is none; there are"),
        (of_first(settings={"strength": 1.5}), f"{NAMED}settings: strength must be a number"),
        (of_first(settings={"keep_grain": True}), f"{NAMED}settings: keep_grain must be"),
        (of_first(settings={"passes": 3}), f"{NAMED}settings: passes must be one of 1, 2, 4, 8"),
        (of_first(settings={"passes": True}), f"{NAMED}settings: passes must be one of 1, 2, 4"),
        (of_first(settings={"passes": 2.0}), f"{NAMED}settings: passes must be one of 1, 2, 4"),
        (of_first(settings={"steps": "denoise"}), f"{NAMED}settings: steps must be a list"),
        (of_first(settings={"steps": ["denoise,deblur"]}), f"{NAMED}settings: no step is named"),
        (of_first(settings={"steps": ["deblur", "denoise"]}), f"{NAMED}settings: steps run in"),
    ],
)
def test_what_is_wrong_is_one_line_that_says_where(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    value = content()
    change(value)
    with pytest.raises(UsageError, match=message) as caught:
        parsed(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is no JSON"),
        (b"\xff", "it is no UTF-8"),
        (b"[]", "the file must be an object"),
        (b"[" * 100_000, "it is nested too deep"),
        (b'{"a": NaN}', "it is no JSON: NaN"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "it holds a number that is none"),
        (b'{"a": 1, "b": 2, "a": 3}', "a is given twice in one object"),
    ],
)
def test_what_is_no_json_is_one_line(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_decisions(data)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(content()))
    assert len(read_decisions(path).decisions) == 2
    monkeypatch.setattr(flows.decisions, "MAX_DECISIONS", 1)
    with pytest.raises(UsageError, match=r"decisions.json: 2 decisions; a file has at most 1"):
        read_decisions(path)
    monkeypatch.setattr(flows.decisions, "MAX_FILE_BYTES", 100)
    with pytest.raises(UsageError, match="it is larger than"):
        read_decisions(path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_decisions(tmp_path / "none")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@hypothesis_settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_value_in_any_place_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    value = copy.deepcopy(content())
    place = data.draw(st.sampled_from([value, value["decisions"][0], value["decisions"][1]]))
    name = data.draw(st.sampled_from(sorted(place)))
    place[name] = data.draw(JSON)
    problem = ""
    try:
        read = parse_decisions(json.dumps(value).encode())
        assert all(each.time.tzinfo is UTC for each in read.decisions)
    except UsageError as error:
        problem = str(error)
    assert problem.isprintable()


@given(
    st.none() | st.lists(st.sampled_from(list(Step)), unique=True).map(tuple),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
    st.none() | st.sampled_from([1, 2, 4, 8]),
)
def test_settings_come_back_from_their_text(
    steps: tuple[Step, ...] | None,
    strength: float | None,
    keep_grain: float | None,
    passes: int | None,
) -> None:
    ordered = None if steps is None else tuple(step for step in Step if step in steps)
    chosen = PhotoSettings(ordered, strength, keep_grain, passes)
    assert PhotoSettings.parse(chosen.text) == chosen
    assert json.dumps(json.loads(chosen.text), sort_keys=True) == chosen.text
