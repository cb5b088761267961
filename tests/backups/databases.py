"""An empty database for this process to restore into, and the contents of backups to compare."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from django.db import connection

from backups.manifest import Manifest
from kernel import runtime
from tests.product import drop_database, name_of, new_database


@contextmanager
def empty_database(folder: Path) -> Iterator[None]:
    """Inside the block, this process is connected to a new, empty database."""
    url = new_database()
    before = connection.settings_dict["NAME"]
    try:
        _connect_to(name_of(url) if url else str(folder / "empty.sqlite3"))
        yield
    finally:
        _connect_to(before)
        drop_database(url)


def _connect_to(name: str) -> None:
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()
    connection.settings_dict["NAME"] = name
    runtime.fresh()


def tables() -> list[str]:
    return connection.introspection.table_names()


def rows_of(folder: Path) -> dict[str, Counter[tuple[str, ...]]]:
    """The rows of each table of a backup, with JSON in one spelling."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    return {table.name: Counter(_rows(folder / table.file, table.columns)) for table in manifest.tables}


def _rows(path: Path, columns: dict[str, str]) -> Iterator[tuple[str, ...]]:
    with gzip.open(path, "rt", newline="\n") as lines:
        for line in lines:
            cells = line.removesuffix("\n").split("\t")
            yield tuple(
                _canonical(cell) if kind == "json" and cell != r"\N" else cell
                for cell, kind in zip(cells, columns.values(), strict=True)
            )


def _canonical(cell: str) -> str:
    return json.dumps(json.loads(cell.replace(r"\\", "\\")), sort_keys=True)
