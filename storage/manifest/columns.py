"""From a dataclass to an Arrow schema and back: every column is declared once, as a field."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any, Final, TypeVar

import pyarrow as pa

Row = TypeVar("Row")

_DESCRIPTION: Final = "description"
_UNIT: Final = "unit"


def column(description: str, unit: str = "") -> Mapping[str, str]:
    """Metadata for `dataclasses.field`: what a column holds.

    Args:
        description: one sentence without a full stop.
        unit: such as "bytes"; empty where there is none.
    """
    return types.MappingProxyType({_DESCRIPTION: description, _UNIT: unit})


@dataclass(frozen=True, slots=True)
class Column:
    """One column as declared.

    Attributes:
        name: of the field and of the column.
        arrow_type: a `pyarrow.DataType`.
        nullable: whether the annotation allows None.
        description: what it holds.
        unit: empty where there is none.
        enumeration: the `StrEnum` of the values, when it is one.
        is_input: whether the constructor takes it (else it is derived from others).
        default: for parts written before the column existed; None also where there is none.
    """

    name: str
    arrow_type: Any
    nullable: bool
    description: str
    unit: str
    enumeration: type[enum.StrEnum] | None
    is_input: bool
    default: object


def columns_of(row_type: type[Any]) -> tuple[Column, ...]:
    """The columns that a dataclass declares, in order.

    Raises:
        TypeError: an annotation has no column type.
    """
    hints = typing.get_type_hints(row_type)
    return tuple(_column(field, hints[field.name]) for field in dataclasses.fields(row_type))


def _column(field: dataclasses.Field[Any], hint: Any) -> Column:  # noqa: ANN401 - any annotation
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    [plain] = [option for option in options if option is not types.NoneType]
    is_enum = isinstance(plain, type) and issubclass(plain, enum.StrEnum)
    default = None if field.default is dataclasses.MISSING else field.default
    return Column(
        name=field.name,
        arrow_type=_arrow_type(plain, field.name),
        nullable=types.NoneType in options,
        description=field.metadata.get(_DESCRIPTION, ""),
        unit=field.metadata.get(_UNIT, ""),
        enumeration=plain if is_enum else None,
        is_input=field.init,
        default=default,
    )


def _arrow_type(hint: Any, name: str) -> Any:  # noqa: ANN401
    if hint == tuple[str, ...]:
        return pa.list_(pa.string())
    if isinstance(hint, type) and issubclass(hint, str):
        return pa.string()
    plain = {
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    if hint not in plain:
        raise TypeError(f"column {name}: no column type for {hint}")
    return plain[hint]


def type_name(column: Column) -> str:
    """A column's type in words, such as "int64" and "list of string"."""
    return str(column.arrow_type).replace("list<item: string>", "list of string")


def schema_of(row_type: type[Any], metadata: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of a dataclass, with description and unit in each field's metadata."""
    fields = [
        pa.field(
            column.name,
            column.arrow_type,
            nullable=column.nullable,
            metadata={_DESCRIPTION: column.description, _UNIT: column.unit},
        )
        for column in columns_of(row_type)
    ]
    return pa.schema(fields, metadata=dict(metadata))


def table_of(schema: pa.Schema, rows: Sequence[object]) -> pa.Table:
    """Rows of a dataclass as an Arrow table."""
    arrays = [_array([getattr(row, field.name) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: list[Any], arrow_type: Any) -> pa.Array:  # noqa: ANN401
    try:
        return pa.array(values, arrow_type)
    except UnicodeEncodeError:
        # A name that is not UTF-8 may be quoted in an error message; it must not cost the batch.
        return pa.array([_encodable(value) for value in values], arrow_type)


def _encodable(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [_encodable(part) for part in value] if isinstance(value, tuple) else value


def rows_from(row_type: type[Row], table: pa.Table) -> list[Row]:
    """The rows of a table, as a dataclass; columns that the table lacks get their defaults."""
    columns = [
        column
        for column in columns_of(row_type)
        if column.is_input and column.name in table.column_names
    ]
    values = [_values(column, _decoded(table.column(column.name))) for column in columns]
    names = [column.name for column in columns]
    if tuple(names) == getattr(row_type, "__match_args__", ()):  # by position: twice as fast
        return list(starmap(row_type, zip(*values, strict=True)))
    return [row_type(**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]


def _decoded(column: Any) -> list[Any]:  # noqa: ANN401
    """A column as Python objects; from a dictionary, each of them would take 50 times as long."""
    if column.null_count == len(column):  # as most are that hold what people decided
        return [None] * len(column)
    plain = column.cast(column.type.value_type) if _is_dictionary(column.type) else column
    values: list[Any] = plain.to_pylist()
    return values


def _values(column: Column, values: list[Any]) -> list[Any]:
    if column.enumeration is not None:
        members = {value: column.enumeration(value) for value in set(values) if value is not None}
        return [members.get(value) for value in values]
    if pa.types.is_list(column.arrow_type):
        return [tuple(value) for value in values]
    return values


def _is_dictionary(arrow_type: Any) -> bool:  # noqa: ANN401
    return bool(pa.types.is_dictionary(arrow_type))


def _plain(arrow_type: Any) -> Any:  # noqa: ANN401
    return arrow_type.value_type if _is_dictionary(arrow_type) else arrow_type


def conform(table: pa.Table, schema: pa.Schema, declared: Sequence[Column]) -> pa.Table:
    """Gives a table exactly these columns: what it lacks is filled with the default.

    Args:
        table: as read from a file, perhaps written by another version.
        schema: the wanted columns; those of dictionary type are encoded.
        declared: declarations of at least those.

    Raises:
        ValueError: a column that has no default is missing, or one is of another type.
    """
    defaults = {column.name: column.default for column in declared}
    arrays = []
    for field in schema:
        if field.name in table.column_names:
            array = table.column(field.name)
        else:
            default = defaults[field.name]
            if default is None and not field.nullable:
                raise ValueError(f"it has no column {field.name}")
            array = pa.chunked_array([_array([default] * table.num_rows, _plain(field.type))])
        if array.type != _plain(field.type):
            array = array.cast(_plain(field.type))
        arrays.append(array.dictionary_encode() if _is_dictionary(field.type) else array)
    return pa.Table.from_arrays(arrays, schema=schema)
