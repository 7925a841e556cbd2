"""Text in pictures: fonts, what they can show, and how lines are broken.

Pillow brings one font that every machine has, of Latin letters only. Names of photographs are
written in every script, so the fonts of the machine are asked first for those.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SYSTEM_FONTS: Final = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "msgothic.ttc",
)
"""Of Linux, macOS and Windows, as far as they cover what Pillow's own does not."""


@lru_cache(maxsize=32)
def own_font(size: int) -> Font:
    """Pillow's own font at a size in pixels: the same on every machine."""
    return ImageFont.load_default(size=size)


def font_for(text: str, size: int) -> Font:
    """The font that has most of the text's characters: Pillow's own where it has them all.

    Args:
        text: to be drawn.
        size: pixels.
    """
    fonts = (own_font(size), *_system_fonts(size))
    return min(fonts, key=lambda font: len(_missing(text, font)))


def drawable(text: str, font: Font) -> str:
    """The text with a question mark for each character that the font has no glyph for."""
    missing = _missing(text, font)
    return "".join("?" if character in missing else character for character in text)


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Break text into lines of at most `width` pixels: at spaces, and within longer words."""
    lines: list[str] = []
    words = [part for word in text.split(" ") for part in _cut(word, font, width)]
    for word in words:
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def shortened(text: str, font: Font, width: int) -> str:
    """The text, its middle left out where it is wider than `width` pixels.

    Its end stays: it tells the files of a folder apart.
    """
    if font.getlength(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # the longest that fits
        middle = (low + high + 1) // 2
        fits = font.getlength(_without_middle(text, middle)) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return _without_middle(text, low)


def _without_middle(text: str, kept: int) -> str:
    tail = kept - kept // 2
    return text[: kept // 2] + "…" + (text[-tail:] if tail else "")


@lru_cache(maxsize=32)
def _system_fonts(size: int) -> tuple[Font, ...]:
    found = []
    for name in _SYSTEM_FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:  # this machine has no such font
            continue
    return tuple(found)


def _missing(text: str, font: Font) -> frozenset[str]:
    """The characters of a text that a font has no glyph for."""
    return frozenset(character for character in text if _is_missing(character, font))


@lru_cache(maxsize=20_000)
def _is_missing(character: str, font: Font) -> bool:
    return bytes(font.getmask(character)) == bytes(font.getmask("\uffff"))


def _cut(word: str, font: Font, width: int) -> list[str]:
    """A word in parts of at most `width` pixels (of at least one character)."""
    parts = []
    while len(word) > 1 and font.getlength(word) > width:
        fits = max(1, sum(font.getlength(word[: i + 1]) <= width for i in range(len(word))))
        parts.append(word[:fits])
        word = word[fits:]
    return [*parts, word]
