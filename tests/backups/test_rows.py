"""A row of SQLite as a line of PostgreSQL's COPY, and back."""

import gzip

import pytest

from backups import loading
from backups.manifest import TableFile
from backups.rows import RowCounter, decode_row, encode_row
from backups.tables import ColumnType
from kernel.errors import Invalid
from tests.backups.conftest import ODD

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("kind", "selected", "cell", "stored"),
    [
        (ColumnType.BOOLEAN, 1, "t", 1),
        (ColumnType.BOOLEAN, 0, "f", 0),
        (ColumnType.BYTES, b"", r"\\x", b""),
        (ColumnType.BYTES, b"\x00\\\n\xff", r"\\x005c0aff", b"\x00\\\n\xff"),
        (ColumnType.INTEGER, -(2**63), "-9223372036854775808", -(2**63)),
        (ColumnType.JSON, '{"b": 1, "a": "\\n"}', r'{"b": 1, "a": "\\n"}', '{"b": 1, "a": "\\n"}'),
        (ColumnType.TEXT, "", "", ""),
        (ColumnType.TEXT, r"\N", r"\\N", r"\N"),
        (ColumnType.TEXT, "a\tb\nc\rd\\t", r"a\tb\nc\rd\\t", "a\tb\nc\rd\\t"),
        (ColumnType.TIMESTAMP, "2026-01-02T03:04:05.060000Z", None, "2026-01-02 03:04:05.060000"),
        (ColumnType.TIMESTAMP, "2026-01-02T03:04:05.000000Z", None, "2026-01-02 03:04:05"),
        (ColumnType.UUID, UUID, None, UUID.replace("-", "")),
        (ColumnType.UUID, None, r"\N", None),
    ],
)
def test_a_value_has_one_spelling_and_comes_back(kind, selected, cell, stored):
    line = encode_row([selected, 7], [kind, ColumnType.INTEGER])
    assert line == f"{selected if cell is None else cell}\t7\n"
    assert decode_row(line, [kind, ColumnType.INTEGER]) == [stored, 7]


def test_any_text_is_one_line():
    line = encode_row([ODD], [ColumnType.TEXT])
    assert line.count("\n") == 1
    assert decode_row(line, [ColumnType.TEXT]) == [ODD]


def test_json_of_postgresql_gets_the_spelling_of_django():
    assert decode_row('{"a": "ü"}\n', [ColumnType.JSON]) == ['{"a": "\\u00fc"}']


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (b"1\n2\n3\n", "more than the 2 rows of the manifest"),
        (b"123\n1234\n", "longer than the application writes"),
    ],
)
def test_a_file_that_could_exhaust_memory_is_refused(tmp_path, monkeypatch, lines, line):
    monkeypatch.setattr(loading, "MAX_LINE", 4)
    table = TableFile("t", {}, rows=2, size=0, sha256="")

    def read(content):
        (tmp_path / "t").write_bytes(gzip.compress(content))
        return list(loading.batches(tmp_path / "t", table, RowCounter(2, lambda *_done: None)))

    assert read(b"123\n123\n")
    with pytest.raises(Invalid, match=line):
        read(lines)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ColumnType.BOOLEAN, "'2'"),
        (ColumnType.BYTES, "text"),
        (ColumnType.INTEGER, 1.5),
        (ColumnType.INTEGER, "7"),
        (ColumnType.TEXT, b"bytes"),
        (ColumnType.TIMESTAMP, "'2026-01-02'"),
        (ColumnType.UUID, UUID.upper()),
    ],
)
def test_a_value_that_the_application_never_writes_is_refused(kind, value):
    with pytest.raises((TypeError, ValueError)):
        encode_row([value], [kind])
