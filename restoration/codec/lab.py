"""CIE L*a*b* as TIFF stores it (TIFF 6.0, section 23) and as ICC does (ICC.1:2022, 6.3.4).

TIFF's a* and b* have a sign, ICC's start from the middle; and of 16 bits, TIFF's steps are 1/256
and ICC's 1/257. L* is the same. Both ways are exact, but for a* and b* above 127, which no surface
has: they become 127.
"""

from __future__ import annotations

import numpy as np

from restoration.samples import Samples, strips


def from_tiff(samples: Samples) -> None:
    """Change (H, W, 3) samples of a TIFF to ICC's encoding, in place."""
    for rows in strips(samples):
        chroma = samples[rows, :, 1:]
        chroma ^= _sign(samples)
        if samples.dtype == np.uint16:
            chroma[...] = np.minimum((chroma.astype(np.uint32) * 257 + 128) >> 8, 65535)


def to_tiff(samples: Samples) -> None:
    """Change (H, W, 3) samples in ICC's encoding to a TIFF's, in place."""
    for rows in strips(samples):
        chroma = samples[rows, :, 1:3]
        if samples.dtype == np.uint16:
            chroma[...] = (chroma.astype(np.uint32) * 256 + 128) // 257
        chroma ^= _sign(samples)


def _sign(samples: Samples) -> np.uint8 | np.uint16:
    return samples.dtype.type(1 << (8 * samples.itemsize - 1))
