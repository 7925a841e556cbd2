"""Measures are thresholds' and regressors' ground: no speed-up may move them."""

from __future__ import annotations

import pytest

from tests.restoration.golden.measures import golden, measured, pictures

PICTURES = pictures()


@pytest.mark.parametrize("name", list(PICTURES))
def test_every_figure_of_a_picture_is_what_it_was(name: str) -> None:
    picture = PICTURES[name]
    before = picture.copy()
    found, wanted = measured(picture), golden()[name]
    assert (picture == before).all()
    for kind, values in wanted.items():
        # Statistics are logarithms, shares and pixels. Processors differ in the last bits.
        assert found[kind] == pytest.approx(values, rel=1e-4, abs=1e-4), kind
