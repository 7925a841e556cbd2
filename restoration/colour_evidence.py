"""How plausible the colours are that a network gave a photograph.

No measure tells wrong colours from right ones: a red dress may have been green. What can be told is
that the network was of several minds, that all is of one colour, far more colourful than
photographs are, or that a face has no colour of skin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from restoration.colorize import Interpretation
from restoration.colour import join_chroma
from restoration.faces import Face
from restoration.quality import colourfulness

SKIN_CB: Final = (77.0 - 128, 127.0 - 128)
SKIN_CR: Final = (133.0 - 128, 173.0 - 128)
"""Cb and Cr (8-bit levels, from neutral) of skin of all kinds: Chai and Ngan, "Face Segmentation
Using Skin-Color Map in Videophone Applications", IEEE TCSVT 1999."""

SKIN_SLACK: Final = 5.0
"""8-bit levels by which a face may be beyond: colours are faded towards gray where the network is
unsure, and a gray face is pale, not odd."""

FACE_CENTRE: Final = 0.6
"""Share of a face's box, about its middle, that is skin rather than hair and background."""


@dataclass(frozen=True)
class ColourEvidence:
    """What can be said about the colours given to a photograph.

    Attributes:
        uncertainty: distance of the single predictions from their mean, 8-bit levels.
        cast: difference of the means of two channels, before it was weakened, 8-bit levels.
        colourfulness: Hasler and Suesstrunk's, see `restoration.quality`.
        odd_faces: faces whose mean colour is not that of skin.
    """

    uncertainty: float
    cast: float
    colourfulness: float
    odd_faces: int = 0


def colour_evidence(
    interpretation: Interpretation, faces: Sequence[Face], shape: tuple[int, ...]
) -> ColourEvidence:
    """Look at colours as they were predicted, at the size of the working picture.

    Args:
        interpretation: of the photograph.
        faces: of the photograph.
        shape: of the photograph; height and width first.
    """
    luma = np.clip(np.rint(interpretation.luma * 255), 0, 255).astype(np.uint8)
    coloured = join_chroma(luma, interpretation.chroma)
    return ColourEvidence(
        uncertainty=interpretation.uncertainty,
        cast=interpretation.cast,
        colourfulness=colourfulness(coloured),
        odd_faces=sum(_is_odd(face, interpretation, shape) for face in faces),
    )


def face_colour(
    face: Face, interpretation: Interpretation, shape: tuple[int, ...]
) -> tuple[float, float]:
    """Mean Cb and Cr of the middle of a face, 8-bit levels from neutral."""
    height, width = interpretation.luma.shape
    down, across = height / shape[0], width / shape[1]
    margin = (1 - FACE_CENTRE) / 2
    top, left = face.top + margin * face.height, face.left + margin * face.width
    bottom, right = top + FACE_CENTRE * face.height, left + FACE_CENTRE * face.width
    first_row, first_column = int(top * down), int(left * across)
    rows = slice(first_row, max(first_row + 1, round(bottom * down)))
    columns = slice(first_column, max(first_column + 1, round(right * across)))
    cb, cr = 255 * interpretation.chroma[rows, columns].mean((0, 1), dtype=np.float64)
    return float(cb), float(cr)


def _is_odd(face: Face, interpretation: Interpretation, shape: tuple[int, ...]) -> bool:
    cb, cr = face_colour(face, interpretation, shape)
    return not (
        SKIN_CB[0] - SKIN_SLACK <= cb <= SKIN_CB[1] + SKIN_SLACK
        and SKIN_CR[0] - SKIN_SLACK <= cr <= SKIN_CR[1] + SKIN_SLACK
    )
