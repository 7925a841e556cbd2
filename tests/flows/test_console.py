"""What commands print beside their results."""

from __future__ import annotations

import pytest

from flows import console
from flows.console import Bars


def test_without_a_terminal_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bars() as bars:
        bars.show("files read back", 1, 2000)
        assert capsys.readouterr() == ("", "")
        monkeypatch.setattr(console, "LINE_EVERY_S", 0.0)
        bars.show("files read back", 1500, 2000)
    assert capsys.readouterr() == ("", "1,500/2,000 files read back\n")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_has_a_bar_for_each_kind_until_it_is_done(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Bars(quiet=quiet) as bars:
        bars.show("photos pictured", 1, 2)
        bars.show("photos pictured", 2, 2)
        bars.show("rows written", 3, 7)
    output, errors = capsys.readouterr()
    assert output == ""
    assert ("rows written" in errors and "3/7" in errors) is not quiet
    assert "2/2" not in errors
