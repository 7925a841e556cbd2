"""Measures are thresholds' and regressors' ground: no speed-up may move them."""

from __future__ import annotations

import pytest

from tests.restoration.golden.measures import golden, measured, pictures

PICTURES = pictures()

TOLERANCE = {"patches": 1e-3, "naturalness": 0.02}
"""Relative. Where a picture has no noise, NIQE's shapes are those of the rounding of its luma,
which differs between processors; all else, logarithms, shares and pixels, differs in the last
bits."""


@pytest.mark.parametrize("name", list(PICTURES))
def test_every_figure_of_a_picture_is_what_it_was(name: str) -> None:
    picture = PICTURES[name]
    before = picture.copy()
    found, wanted = measured(picture), golden()[name]
    assert (picture == before).all()
    for kind, values in wanted.items():
        assert found[kind] == pytest.approx(values, rel=TOLERANCE.get(kind, 1e-4), abs=1e-4), kind
