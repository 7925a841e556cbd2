"""The manifest's files: one Parquet part per batch of a run, never changed once written."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from storage.ahead import ahead
from storage.base import DestinationStore, StoredEntry
from storage.errors import StorageError, UnsafePath
from storage.manifest.columns import Column, conform, rows_from, table_of
from storage.manifest.row import COLUMNS, FILE_METADATA, SCHEMA, ManifestRow

MANIFEST_FOLDER: Final = "manifest"
MAX_BATCHES: Final = 1_000_000
"""Batches of one run: their numbers have six digits, so that paths sort as batches do."""

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class DamagedManifest(StorageError):  # noqa: N818 - reads as a sentence
    """A part of the manifest (or a work list) cannot be read; the message says what to do."""


def check_run_id(run_id: str) -> str:
    """A run id as it is.

    Raises:
        UnsafePath: it is not made of letters, digits, `-` and `_`.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise UnsafePath(f"{run_id!r} is not a run id: letters, digits, '-' and '_' are")
    return run_id


def numbered(folder: str, run_id: str, name: str, batch: int) -> str:
    """The path `folder/run_id/name-000123.parquet`.

    Raises:
        UnsafePath: the run id is not made of letters, digits, `-` and `_`.
        ValueError: the batch number is not in [0, MAX_BATCHES).
    """
    check_run_id(run_id)
    if not 0 <= batch < MAX_BATCHES:
        raise ValueError(f"batch {batch} is out of range: a run has at most {MAX_BATCHES} batches")
    return f"{folder}/{run_id}/{name}-{batch:06d}.parquet"


def part_path(run_id: str, batch: int) -> str:
    """Where a batch's rows go: `manifest/<run_id>/part-000123.parquet`; raises as `numbered`."""
    return numbered(MANIFEST_FOLDER, run_id, "part", batch)


def encode_table(table: pa.Table, metadata: Mapping[str, str] | None = None) -> bytes:
    """An Arrow table as the bytes of a Parquet file.

    Args:
        table: what it is to hold.
        metadata: for the file, beside that of the table's schema.
    """
    sink = pa.BufferOutputStream()
    with parquet_writer(sink, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(dict(metadata or {}))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def parquet_writer(file: BinaryIO | pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """Writes Parquet as all our files are: zstd, and checksums for its pages.

    Without them, a flipped bit would be read as a wrong value.
    """
    return pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True)


def encode_rows(rows: Sequence[ManifestRow]) -> bytes:
    """Rows as the bytes of one part."""
    return encode_table(table_of(SCHEMA, rows), FILE_METADATA)


def decode_rows(data: BinaryIO, name: str = "the manifest part") -> list[ManifestRow]:
    """The rows of one part.

    Args:
        data: a seekable reader.
        name: of the part, for the message.

    Raises:
        DamagedManifest: it is not a whole part.
    """
    return rows_of(read_table(data, name, SCHEMA, COLUMNS))


def rows_of(table: pa.Table) -> list[ManifestRow]:
    """The rows of a manifest table; columns that it lacks get their defaults."""
    return rows_from(ManifestRow, table)


def read_table(
    data: BinaryIO,
    name: str,
    schema: pa.Schema,
    declared: Sequence[Column],
) -> pa.Table:
    """Reads columns of a Parquet file, perhaps written by an earlier version.

    Args:
        data: a seekable reader.
        name: of the file, for the message.
        schema: the wanted columns.
        declared: declarations of at least those, for the defaults of columns that the file lacks.

    Raises:
        DamagedManifest: the file is cut short, altered or of another kind.
    """
    try:
        with pq.ParquetFile(data, page_checksum_verification=True) as file:
            _check_names(file)
            return conform(file.read(schema.names, use_threads=False), schema, declared)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(name, error) from error


def _check_names(file: pq.ParquetFile) -> None:
    """Compare the columns' names with those that Arrow wrote beside them.

    Pages have checksums, the footer has none: a column whose name lost a bit would be one that an
    earlier version did not know yet, and all that it holds would be the default.

    Raises:
        ValueError: they differ, or Arrow's cannot be read.
        pa.ArrowException: likewise.
    """
    written = (file.metadata.metadata or {}).get(b"ARROW:schema")
    if written is None:  # another program's file
        return
    names = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(written, validate=True))).names
    if names != file.schema_arrow.names:
        raise ValueError("its columns' names are damaged")


def _damaged(name: str, error: Exception) -> DamagedManifest:
    first_line = str(error).partition("\n")[0]
    return DamagedManifest(
        f"{name} cannot be read ({first_line}); move it out of its folder and start again:"
        " its photos will be done again"
    )


def part_paths(destination: DestinationStore) -> Iterator[str]:
    """The parts that are there, in the order in which runs and batches wrote them."""
    return (entry.path for entry in part_entries(destination))


def part_entries(destination: DestinationStore) -> Iterator[StoredEntry]:
    """As `part_paths`, with their sizes."""
    for entry in destination.list(MANIFEST_FOLDER):
        # Other systems leave hidden companions such as "._part-000000.parquet" on shared disks.
        is_hidden = entry.path.rpartition("/")[2].startswith(".")
        if entry.path.endswith(".parquet") and not is_hidden:
            yield entry


def read_parts(
    destination: DestinationStore, paths: Iterable[str], schema: pa.Schema
) -> Iterator[tuple[str, pa.Table]]:
    """Columns of parts, in the order of their paths as given, with these.

    Some parts are read ahead of their turn, and no more are held.

    Args:
        destination: where the manifest is.
        paths: of the parts, such as `part_paths`.
        schema: the wanted columns.

    Raises:
        DamagedManifest: a part cannot be read; the first of them is told.
        StorageError: the manifest cannot be listed.
    """

    def read(path: str) -> tuple[str, bytes]:
        try:
            with destination.open(path) as file:
                return path, file.read()
        except OSError as error:
            raise _damaged(path, error) from error

    with closing(ahead(partial(read, path) for path in paths)) as parts:
        for path, data in parts:
            # Decoded here and not in the threads, which would fight over the processor.
            yield path, read_table(pa.BufferReader(data), path, schema, COLUMNS)


def read_manifest(destination: DestinationStore, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of all runs, in the order of the parts' paths.

    Args:
        destination: where the manifest is; no manifest is an empty table.
        columns: which ones, in this order; None is all.

    Raises:
        DamagedManifest: a part cannot be read.
        KeyError: there is no such column.
    """
    schema = SCHEMA if columns is None else pa.schema([SCHEMA.field(c) for c in columns])
    read = read_parts(destination, part_paths(destination), schema)
    return pa.concat_tables([schema.empty_table(), *(table for _, table in read)])
