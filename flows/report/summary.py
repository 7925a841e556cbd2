"""What a report says of an archive as a whole: what its first page shows."""

from __future__ import annotations

from dataclasses import dataclass

CHUNK_ROWS = 10_000
"""Rows of one file that the table is made of: some 3 MB, read in a tenth of a second."""
DETAIL_ROWS = 2_000
"""Rows of one file of details, which is read when a photo is opened."""


@dataclass(frozen=True)
class Totals:
    """Photos, by the latest row of each.

    Attributes:
        photos: all.
        restored: with that status; so are the four below.
        colorized: with a colour interpretation.
        needs_review: that a person should look at.
        accepted: decided so; so are the two below.
        megapixels: 10^6 pixels of the largest page of each.
        bytes: of the originals.
    """

    photos: int
    restored: int
    nothing_to_do: int
    skipped: int
    failed: int
    withdrawn: int
    colorized: int
    needs_review: int
    accepted: int
    rejected: int
    redo: int
    megapixels: float
    bytes: int


@dataclass(frozen=True)
class NamedCount:
    """Photos that have a degradation in common."""

    name: str
    photos: int


@dataclass(frozen=True)
class PlanCount:
    """Photos with a plan: its steps joined by `+`, "" for none."""

    plan: str
    photos: int


@dataclass(frozen=True)
class ReasonCount:
    """Photos to look at for a reason, in which `…` stands for figures."""

    reason: str
    photos: int


@dataclass(frozen=True)
class Comparison:
    """A measure before and after.

    Attributes:
        edges: of the bins, one more than there are; values beyond the last are in the last bin.
        before: photos in each bin.
        after: photos in each bin; those that were left as they were count as before.
    """

    edges: tuple[float, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class Distribution:
    """A measure: edges as in `Comparison`, photos in each bin."""

    edges: tuple[float, ...]
    photos: tuple[int, ...]


@dataclass(frozen=True)
class Histograms:
    """Noise (8-bit levels), blur (pixels), and the change of what was changed (dB)."""

    noise_sigma: Comparison
    blur_sigma: Comparison
    change_psnr_db: Distribution


@dataclass(frozen=True)
class Run:
    """One run; see `storage.manifest.RunRecord`. None where it is not known."""

    run_id: str
    kind: str
    started: str | None
    seconds: float | None
    photos: int
    restored: int
    failed: int
    megapixels: float
    megapixels_per_second: float | None
    device: str | None
    software_version: str | None


@dataclass(frozen=True)
class Failure:
    """A kind of failure, with the first photo in the order of sources as an example."""

    error_class: str
    photos: int
    example_source: str
    example_message: str | None


@dataclass(frozen=True)
class Folder:
    """Photos directly in a folder, or (`folder` None) in so many other `folders`."""

    folder: str | None
    folders: int
    photos: int
    restored: int
    failed: int
    needs_review: int
    mean_noise_sigma: float | None


@dataclass(frozen=True)
class Camera:
    """Photos from a camera or scanner; None is not known."""

    camera: str | None
    photos: int
    needs_review: int
    mean_noise_sigma: float | None


@dataclass(frozen=True)
class Model:
    """Photos that a model worked on."""

    name: str
    sha256: str
    photos: int


@dataclass(frozen=True)
class Serving:
    """What a page needs to save decisions with the server that it came from.

    Attributes:
        token: to be sent with every request.
        reviewer: who decides, if that was given.
    """

    token: str
    reviewer: str | None = None


@dataclass(frozen=True)
class Figures:
    """What is counted in the manifest."""

    totals: Totals
    degradations: tuple[NamedCount, ...]
    plans: tuple[PlanCount, ...]
    histograms: Histograms
    runs: tuple[Run, ...]
    failures: tuple[Failure, ...]
    folders: tuple[Folder, ...]
    cameras: tuple[Camera, ...]
    models: tuple[Model, ...]
    reasons: tuple[ReasonCount, ...]


@dataclass(frozen=True)
class Summary:
    """The first page.

    Attributes:
        report: id of this report; its other files have the same.
        title: of the page.
        archive: the destination: an absolute path, or `s3://…`.
        archive_id: tells archives apart in a browser's memory.
        source: where the originals are, if that is known.
        generated: ISO 8601, UTC.
        software: name and version.
        rows: of the table.
        chunk_rows: of one file of the table.
        detail_rows: of one file of details.
        figures: what is counted; its fields stand beside these in the page's data.
        serve: None in a report that is read from its files.
    """

    report: str
    title: str
    archive: str
    archive_id: str
    source: str | None
    generated: str
    software: str
    rows: int
    chunk_rows: int
    detail_rows: int
    figures: Figures
    serve: Serving | None = None

    def as_data(self) -> dict[str, object]:
        """What `restoreArchive.summary` is called with."""
        names = [name for name in self.__dataclass_fields__ if name != "figures"]
        figures = self.figures
        return {
            **{name: getattr(self, name) for name in names},
            **{name: getattr(figures, name) for name in figures.__dataclass_fields__},
        }
