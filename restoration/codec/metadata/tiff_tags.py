"""Which tags of a TIFF page's directory say how it is stored, and which say something of the photo.

Sources: TIFF 6.0 (Adobe, 1992), TIFF Technical Notes 1 and 2, and the registry of private tags as
the Library of Congress keeps it (https://www.loc.gov/preservation/digital/formats/content/tiff_tags.shtml).
"""

from __future__ import annotations

from typing import Final

XMP: Final = 700
IPTC: Final = 33723
PHOTOSHOP: Final = 34377
ICC_PROFILE: Final = 34675
PHOTOSHOP_LAYERS: Final = 37724
RESOLUTION: Final = frozenset({282, 283, 296})
"""XResolution, YResolution, ResolutionUnit: they travel as the page's resolution, and in an EXIF
block made from the page as well, where EXIF wants them."""

# Tags about how samples are laid out and coded: whoever writes the page's samples writes these.
_LAYOUT: Final = frozenset(
    {
        254, 255,  # NewSubfileType, SubfileType
        256, 257, 258, 259, 262,  # size, bits, compression, photometric interpretation
        263, 264, 265,  # threshholding, and the cell that belongs to it
        266,  # FillOrder
        273, 277, 278, 279,  # strips, samples per pixel
        284,  # PlanarConfiguration
        288, 289,  # free space in the file
        292, 293, 317,  # options of CCITT, predictor
        322, 323, 324, 325,  # tiles
        330, 400,  # further directories, whose offsets would point elsewhere
        338, 339,  # ExtraSamples, SampleFormat
        347, 512, 513, 514, 515, 517, 518, 519, 520, 521,  # tables and streams of JPEG
        529, 530, 531,  # YCbCr: the page comes back as RGB
        559, 32995, 32996, 32997, 32998,  # strip row counts; data type and depth of SGI
        34908, 34909, 34910,  # fax
    }
)  # fmt: skip

# Tags about what sample values mean, which holds for the samples as they were stored only.
_MEANING: Final = frozenset(
    {
        274,  # Orientation: pages come out upright
        280, 281, 340, 341,  # smallest and largest values
        290, 291, 301, 342,  # response and transfer curves, one value per level
        320,  # ColorMap: palettes come out as RGB
        321,  # HalftoneHints
        332, 333, 334, 336,  # inks, and the values of full and no ink
        532,  # ReferenceBlackWhite
        33421, 33422,  # colour filter array
        52545,  # a C2PA manifest, which signs other bytes
        37439, 37399, 34892, 50839, 50838,  # sample range; a shaped array's description
    }
)  # fmt: skip

CARRIERS: Final = frozenset({XMP, IPTC, PHOTOSHOP, ICC_PROFILE, PHOTOSHOP_LAYERS})
"""Tags whose content has a place of its own in `Metadata` and `Page`, or is left out."""
STRUCTURAL: Final = _LAYOUT | _MEANING
"""Tags that do not travel: they describe the samples as they were stored."""

LEFT_OUT: Final = {
    301: "TransferFunction",
    290: "GrayResponseUnit",
    291: "GrayResponseCurve",
    330: "further pictures within the page (SubIFDs)",
    333: "InkNames",
    PHOTOSHOP_LAYERS: "Photoshop's layers",
    52545: "a C2PA manifest, for what it signs are other bytes",
}
"""Those that someone may miss: each becomes a note."""
