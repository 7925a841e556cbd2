"""The record of every photograph: Parquet parts that any table reader can open.

The only place that knows Arrow. A run writes one part per batch under `manifest/<run_id>/`;
`read_manifest` reads them all and `ManifestIndex` answers what earlier runs already did.
`storage.manifest.database`, which is imported where it is needed, answers questions in SQL.
"""

from __future__ import annotations

from storage.manifest.history import history
from storage.manifest.index import ManifestIndex
from storage.manifest.latest import (
    LATEST_PATH,
    latest_is_current,
    latest_rows,
    open_latest,
    write_latest,
)
from storage.manifest.parts import (
    MANIFEST_FOLDER,
    DamagedManifest,
    decode_rows,
    encode_rows,
    part_path,
    part_paths,
    read_manifest,
    rows_of,
)
from storage.manifest.recorded import Recorded, recorded
from storage.manifest.reviewed import Reviewed, reviewed
from storage.manifest.row import (
    COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    Decision,
    ManifestRow,
    Status,
)
from storage.manifest.runs import RunKind, RunRecord, read_run, read_runs, write_run
from storage.manifest.sorted_rows import KnownPhoto
from storage.manifest.worklist import WORKLIST_FOLDER, WorkItem, read_worklist, write_worklist

__all__ = [
    "COLUMNS",
    "LATEST_PATH",
    "MANIFEST_FOLDER",
    "SCHEMA",
    "SCHEMA_VERSION",
    "WORKLIST_FOLDER",
    "DamagedManifest",
    "Decision",
    "KnownPhoto",
    "ManifestIndex",
    "ManifestRow",
    "Recorded",
    "Reviewed",
    "RunKind",
    "RunRecord",
    "Status",
    "WorkItem",
    "decode_rows",
    "encode_rows",
    "history",
    "latest_is_current",
    "latest_rows",
    "open_latest",
    "part_path",
    "part_paths",
    "read_manifest",
    "read_run",
    "read_runs",
    "read_worklist",
    "recorded",
    "reviewed",
    "rows_of",
    "write_latest",
    "write_run",
    "write_worklist",
]
