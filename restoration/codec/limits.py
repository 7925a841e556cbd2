"""How much of a file is looked at, and how much memory and time its decoder gets."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

from restoration.errors import TooLarge, UsageError

DEFAULT_MAX_MEGAPIXELS: Final = 500.0


@dataclass(frozen=True)
class Limits:
    """What one file may cost; checked from its header, before anything is decoded.

    Attributes:
        max_megapixels: 10^6 pixels of all pages together.
        max_file_gb: size of the file, 10^9 bytes.
        max_pages: pictures in one file.
        max_metadata_mb: size of all metadata, 10^6 bytes, also when they are compressed.
        decode_seconds: processor time for any file; every `MEGAPIXELS_AT_ONCE` add as much again.
        decode_memory_gb: private memory of the decoder process, 10^9 bytes; samples are not in it.
    """

    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    max_file_gb: float = 16.0
    max_pages: int = 500
    max_metadata_mb: float = 64.0
    decode_seconds: float = 30.0
    decode_memory_gb: float = 4.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: a limit that is not positive and finite.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if not 0 < value < math.inf:
                name = each.name.replace("_", "-")
                raise UsageError(f"--{name} must be positive, not {value:g}")

    def check_file(self, size: int) -> None:
        """Refuse a file of `size` bytes.

        Raises:
            TooLarge: it is over the limit.
        """
        if size > self.max_file_gb * 1e9:
            raise TooLarge(
                f"the file has {size / 1e9:.1f} GB; the limit is {self.max_file_gb:g} "
                "(--max-file-gb)"
            )

    def check_page(self, width: int, height: int, so_far: float = 0.0) -> float:
        """Refuse a page of too many pixels.

        Args:
            width: pixels.
            height: pixels.
            so_far: megapixels of the pages before.

        Returns:
            `so_far` with this page's megapixels added.

        Raises:
            TooLarge: with those before, it is over the limit.
        """
        total = so_far + width * height / 1e6
        if total > self.max_megapixels:
            which = "with the pages before it " if so_far else ""
            raise TooLarge(
                f"{width} x {height} pixels are {which}{total:.0f} megapixels; "
                f"the limit is {self.max_megapixels:g} (--max-megapixels)"
            )
        return total

    def check_pages(self, count: int) -> None:
        """Refuse a file of `count` pages.

        Raises:
            TooLarge: it is over the limit.
        """
        if count > self.max_pages:
            raise TooLarge(
                f"the file has {count} pages; the limit is {self.max_pages} (--max-pages)"
            )

    def seconds_for(self, megapixels: float) -> float:
        """Processor time that decoding so many megapixels may take, s."""
        return self.decode_seconds * (1 + megapixels / MEGAPIXELS_AT_ONCE)

    @property
    def metadata_bytes(self) -> int:
        """`max_metadata_mb` in bytes."""
        return int(self.max_metadata_mb * 1e6)


DEFAULT_LIMITS: Final = Limits()

MEGAPIXELS_AT_ONCE: Final = 30.0
"""Ten times as long as the slowest decoder here (JPEG 2000) needs, with the default of 30 s."""

PATIENCE_SECONDS: Final = 300.0
"""Of wall-clock time beside it: on a busy machine a sound photo may wait for minutes."""
