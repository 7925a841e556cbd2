"""Measures are thresholds' and regressors' ground: no speed-up may move them."""

from __future__ import annotations

import pytest

from tests.restoration.golden.measures import golden, measured, pictures

PICTURES = pictures()

TOLERANCE = {"patches": 1e-3, "naturalness": 0.02}
"""Relative. All else, logarithms, shares and pixels, differs in the last bits."""

OF_ROUNDING = {"patches": 5e-3}
"""Absolute, of `NOISELESS` pictures: without noise, NIQE's shapes are those of the rounding
of luma, in which the kernels of BLAS for different processors differ (Haswell's and SkylakeX's by
2.2e-3; shapes are up to 10)."""

NOISELESS = {"colour", "half blank"}


@pytest.mark.parametrize("name", list(PICTURES))
def test_every_figure_of_a_picture_is_what_it_was(name: str) -> None:
    picture = PICTURES[name]
    before = picture.copy()
    found, wanted = measured(picture), golden()[name]
    assert (picture == before).all()
    for kind, values in wanted.items():
        absolute = OF_ROUNDING.get(kind, 1e-4) if name in NOISELESS else 1e-4
        relative = TOLERANCE.get(kind, 1e-4)
        assert found[kind] == pytest.approx(values, rel=relative, abs=absolute), kind
