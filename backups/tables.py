"""The tables of a database and the types of their columns, from the models of one state of the migrations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from django.apps.registry import Apps
from django.db import connection, models
from django.db.migrations.recorder import MigrationRecorder

from audit.log.raw_rows import spelled, typed_field


class ColumnType(StrEnum):
    BOOLEAN = "boolean"
    BYTES = "bytes"
    INTEGER = "integer"
    JSON = "json"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    UUID = "uuid"


_TYPES: Mapping[str, ColumnType] = MappingProxyType(
    {
        "AutoField": ColumnType.INTEGER,
        "BigAutoField": ColumnType.INTEGER,
        "BigIntegerField": ColumnType.INTEGER,
        "BinaryField": ColumnType.BYTES,
        "BooleanField": ColumnType.BOOLEAN,
        "CharField": ColumnType.TEXT,
        "DateTimeField": ColumnType.TIMESTAMP,
        "IntegerField": ColumnType.INTEGER,
        "JSONField": ColumnType.JSON,
        "PositiveBigIntegerField": ColumnType.INTEGER,
        "PositiveIntegerField": ColumnType.INTEGER,
        "PositiveSmallIntegerField": ColumnType.INTEGER,
        "TextField": ColumnType.TEXT,
        "UUIDField": ColumnType.UUID,
    }
)


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` maps each stored column to its type, in the order of the model, without computed columns."""

    model: type[models.Model]
    columns: Mapping[str, ColumnType]

    @property
    def name(self) -> str:
        return self.model._meta.db_table

    @property
    def select(self) -> str:
        """A SELECT of all rows in the order of the primary key, with values in the spelling of an entry."""
        names = [field.name for field in _stored_fields(self.model)]
        key = str(self.model._meta.pk.column)
        collation = ' COLLATE "C"' if self._is_collated(key) else ""
        columns = spelled(self.model, names, "t")
        return f'SELECT {columns} FROM "{self.name}" t ORDER BY t."{key}"{collation}'  # noqa: S608 - names of models

    def _is_collated(self, column: str) -> bool:
        """PostgreSQL sorts text by the language of the database. SQLite sorts it by its bytes."""
        return connection.vendor == "postgresql" and self.columns[column] is ColumnType.TEXT


def tables_of(registry: Apps) -> Mapping[str, Table]:
    """The tables of all models, and the record of migrations, by name and in the order of their names."""
    found: list[type[models.Model]] = [
        model
        for model in registry.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    found.append(MigrationRecorder.Migration)
    tables = [Table(model, _columns(model)) for model in found]
    return {table.name: table for table in sorted(tables, key=lambda table: table.name)}


def _columns(model: type[models.Model]) -> Mapping[str, ColumnType]:
    return {field.column: _type_of(field) for field in _stored_fields(model)}


def _stored_fields(model: type[models.Model]) -> Sequence[Any]:
    return [field for field in model._meta.local_concrete_fields if not field.generated]


def _type_of(field: Any) -> ColumnType:
    return _TYPES[typed_field(field).get_internal_type()]
