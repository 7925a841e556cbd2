"""What a photo's outputs are made of: pages, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from flows.places import in_format, may_be_in_format
from flows.rows import PlannedPage
from flows.version import software_version
from restoration import scratch
from restoration.codec import (
    AccessCopies,
    Page,
    Photo,
    access_page,
    colorized_page,
    encode,
    restored_page,
)
from restoration.codec.c2pa_signing import cannot_be_signed, sign
from restoration.codec.metadata.model import AppliedStep, Provenance
from restoration.plan import Step
from restoration.recipe import Options
from restoration.restore import Restored

ENHANCED: Final = "algorithmicallyEnhanced"
COLORIZED: Final = "compositeWithTrainedAlgorithmicMedia"
"""IPTC's NewsCodes (vocabulary digitalsourcetype) of a restored and of a colorized photo."""


@dataclass(frozen=True)
class Outputs:
    """What became of a photo, on its way to files.

    Attributes:
        name: file name of the source.
        sha256: of the source.
        photo: the source, decoded.
        pages: its pages with their plans.
        results: what became of each page.
        options: what was asked for.
    """

    name: str
    sha256: str
    photo: Photo
    pages: Sequence[PlannedPage]
    results: Sequence[Restored]
    options: Options

    @property
    def file_format(self) -> str:
        """Name of the format of all outputs."""
        return self.options.output_format or self.photo.format

    @property
    def are_the_original(self) -> bool:
        """Whether the restored photo is the original, byte for byte."""
        is_whole = self.file_format == self.photo.format and not self.photo.is_salvaged
        return is_whole and all(result.pixels is None for result in self.results)

    def name_of(self, path: str) -> str:
        """Path of an output below its folder: the source's, and a suffix if the format is another.

        `scan.tif` becomes `scan.tif.jpg`: a `scan.jpg` may lie beside it in the archive. So may a
        `scan.tif.jpg`, which then becomes `scan.tif.jpg.jpg`: no two photos meet at one path.
        """
        if self.options.output_format is None:
            return path
        if self.file_format == self.photo.format and not may_be_in_format(path):
            return path
        return in_format(path, self.file_format)

    def restored_pages(self) -> list[Page]:
        """All pages, those restored that needed it."""
        return [
            restored_page(planned.page, result.pixels)
            for planned, result in zip(self.pages, self.results, strict=True)
        ]

    def colorized_pages(self) -> list[Page] | None:
        """All pages, those colorized that needed it, the others as restored; None for none."""
        if all(result.colorized is None for result in self.results):
            return None
        return [
            restored_page(planned.page, result.pixels)
            if result.colorized is None
            else colorized_page(planned.page, result.colorized)
            for planned, result in zip(self.pages, self.results, strict=True)
        ]

    def access_page(self, access: AccessCopies) -> Page:
        """The first page of the restored photo, for the web."""
        page, pixels = self.pages[0].page, self.results[0].pixels
        restored = page if pixels is None else replace(page, pixels=pixels)
        return access_page(restored, access.edge)

    def restored_steps(self) -> list[AppliedStep]:
        """What was done to the restored photo: not the colour, which is not in it."""
        if all(result.pixels is None for result in self.results):
            return []
        return [step for step in self.colorized_steps() if Step(step.name).changes_pixels]

    def colorized_steps(self) -> list[AppliedStep]:
        """Everything that was done to any page, in order."""
        cards = {model.card.task: model.card for each in self.results for model in each.models}
        shaken = any(result.shaken for result in self.results)
        # The network was the judge then, and what it made was put aside.
        by = {Step.DEBLUR: ", camera shake deconvolved"} if shaken else {}
        return [
            AppliedStep(step.value, cards[step].name + by.get(step, ""), cards[step].sha256)
            for step in Step
            if step in cards
        ]

    @contextmanager
    def encoded(
        self,
        pages: Sequence[Page],
        steps: Sequence[AppliedStep],
        *,
        file_format: str = "",
        quality: int | None = None,
    ) -> Iterator[tuple[BinaryIO, tuple[str, ...]]]:
        """A temporary file with pages, at its start.

        Args:
            pages: of the file.
            steps: that they have gone through.
            file_format: of the file; that of the outputs by default.
            quality: of lossy formats; that of the options by default.

        Yields:
            The file, and what it could not hold, one line each.

        Raises:
            EncodeError: the encoder refused, or the format does not hold the photo.
        """
        name = file_format or self.file_format
        provenance = self.provenance(steps)
        with scratch.temporary_file() as file, scratch.temporary_file() as signed:
            notes = encode(
                pages,
                file,
                name,
                quality=quality or self.options.quality,
                provenance=provenance,
            )
            signing = self.options.signing
            why_not = cannot_be_signed(name, len(pages))
            if signing is None:
                yield file, notes
            elif why_not:
                yield file, (*notes, why_not)
            else:
                sign(
                    file,
                    signed,
                    signing,
                    provenance,
                    file_format=name,
                    source_format=self.photo.format,
                )
                yield signed, notes

    def provenance(self, steps: Sequence[AppliedStep]) -> Provenance:
        """What an output says of itself after these steps."""
        names = {step.name for step in steps}
        kind = COLORIZED if Step.COLORIZE in names else ENHANCED if names else None
        return Provenance(
            software=f"restore-archive {software_version()}",
            source_name=self.name,
            source_sha256=self.sha256,
            steps=tuple(steps),
            strength=self.options.strength,
            keep_grain=self.options.keep_grain if Step.DENOISE in names else 0.0,
            passes=self.options.passes if any(Step(name).changes_pixels for name in names) else 1,
            digital_source_type=kind if self.options.label else None,
        )
