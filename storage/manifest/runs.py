"""What is recorded of a run as a whole: `manifest/<run_id>/_run.json`, beside its parts.

Readers of Parquet data sets leave out names that begin with `_`. The file is written when a run
ends, so one that was killed has none; the view `runs` derives it from the run's rows.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from storage.ahead import ahead
from storage.base import DestinationStore
from storage.manifest.columns import column, columns_of, schema_of
from storage.manifest.parts import MANIFEST_FOLDER, DamagedManifest, check_run_id

RUN_FILE: Final = "_run.json"


class RunKind(enum.StrEnum):
    """What a run did."""

    RESTORE = "restore"
    REVIEW = "review"
    """It wrote down what people decided; no photo was restored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as a whole; the fields are the columns of the view `runs`.

    None says "not known". Photos are counted as the summary of a run does.

    Raises:
        ValueError: a time without a time zone, or options that are no JSON object.
    """

    run_id: str = field(metadata=column("Name of the run; run ids sort by time"))
    kind: RunKind = field(default=RunKind.RESTORE, metadata=column("restore or review"))
    source: str | None = field(default=None, metadata=column("Where the originals were"))
    options: str = field(
        default="{}", metadata=column("Options of the run that were not left at null, as JSON")
    )
    started: datetime = field(metadata=column("When it began, UTC", "µs"))
    ended: datetime | None = field(default=None, metadata=column("When it ended, UTC", "µs"))
    seconds: float | None = field(
        default=None, metadata=column("Wall-clock time from its start to its end", "s")
    )
    device: str | None = field(
        default=None, metadata=column("Where the networks were to run, such as auto or cuda")
    )
    workers: str | None = field(
        default=None, metadata=column("local:N or the address of a scheduler; null for one process")
    )
    software_version: str | None = field(default=None, metadata=column("Version of the program"))
    photos: int | None = field(default=None, metadata=column("Photos that it met"))
    restored: int = field(default=0, metadata=column("Photos that it restored"))
    nothing_to_do: int = field(default=0, metadata=column("Photos that it passed through"))
    skipped: int = field(default=0, metadata=column("Photos of kinds that are not supported"))
    failed: int = field(default=0, metadata=column("Photos that failed"))
    unchanged: int | None = field(
        default=None, metadata=column("Photos that an earlier run had finished")
    )
    withdrawn: int = field(default=0, metadata=column("Photos whose outputs it took back"))
    megapixels: float = field(
        default=0.0, metadata=column("Of the photos that it decoded", "10^6 pixels")
    )
    stopped: bool = field(
        default=False, metadata=column("Whether it was asked to stop before it was through")
    )

    def __post_init__(self) -> None:
        if any(each is not None and each.tzinfo is None for each in (self.started, self.ended)):
            raise ValueError("the times of a run need a time zone")
        if not isinstance(json.loads(self.options), dict):
            raise ValueError("the options of a run are a JSON object")


RUN_COLUMNS: Final = columns_of(RunRecord)
"""The columns of the view `runs`, in order."""

RUN_SCHEMA: Final = schema_of(RunRecord, {})


def run_path(run_id: str) -> str:
    """Where the record of a run goes: `manifest/<run_id>/_run.json`.

    Raises:
        UnsafePath: the run id is not made of letters, digits, `-` and `_`.
    """
    return f"{MANIFEST_FOLDER}/{check_run_id(run_id)}/{RUN_FILE}"


def write_run(destination: DestinationStore, record: RunRecord) -> None:
    """Stores the record of a run.

    Raises:
        UnsafePath: see `run_path`.
        StorageError: it cannot be stored.
    """
    fields: dict[str, Any] = {each.name: getattr(record, each.name) for each in RUN_COLUMNS}
    fields["options"] = json.loads(record.options)
    text = json.dumps(fields, indent=2, ensure_ascii=False, default=datetime.isoformat)
    destination.put(run_path(record.run_id), f"{text}\n".encode("utf-8", "backslashreplace"))


def read_runs(destination: DestinationStore) -> list[RunRecord]:
    """The records that runs left, in the order of the runs.

    Raises:
        DamagedManifest: a record cannot be read.
        StorageError: the manifest cannot be listed.
    """
    paths = _paths(destination)
    return list(ahead(partial(_read, destination, path) for path in paths))


def read_run(destination: DestinationStore, run_id: str) -> RunRecord | None:
    """The record that a run left; None where it left none.

    Raises:
        DamagedManifest: it cannot be read.
    """
    path = run_path(run_id)
    return None if destination.size(path) is None else _read(destination, path)


def _paths(destination: DestinationStore) -> Iterator[str]:
    for entry in destination.list(MANIFEST_FOLDER):
        if entry.path.endswith(f"/{RUN_FILE}") and entry.path.count("/") == 2:
            yield entry.path


def _read(destination: DestinationStore, path: str) -> RunRecord:
    try:
        with destination.open(path) as file:
            return _record(json.loads(file.read()))
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DamagedManifest(
            f"{path} cannot be read ({reason}); delete it: without it the run is known by its rows"
        ) from error


def _record(fields: Mapping[str, Any]) -> RunRecord:
    """A record as it was read; fields that another version added are left out."""
    known = {each.name: fields[each.name] for each in RUN_COLUMNS if each.name in fields}
    known["options"] = json.dumps(known.get("options", {}), ensure_ascii=False)
    known["kind"] = RunKind(known.get("kind", RunKind.RESTORE))
    for name in ("started", "ended"):
        if known.get(name) is not None:
            known[name] = datetime.fromisoformat(known[name])
    return RunRecord(**known)
