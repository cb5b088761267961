"""Values of columns that someone may have altered."""

import sqlite3
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection

from audit.log.raw_rows import (
    SpelledTimestampField,
    any_text,
    json_value,
    number_of,
    presentable,
    timestamp_of,
    uuid_of,
)

TIME = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
SPELLED = "2026-03-01T12:00:00.000005Z"


def test_a_timestamp_has_one_spelling():
    assert timestamp_of(SPELLED) == TIME
    for other in (
        "2026-03-01T12:00:00.000005+00:00",
        "2026-03-01 12:00:00.000005Z",
        "2026-03-01",
        "",
        None,
        5,
    ):
        assert timestamp_of(other) is None


def test_a_timestamp_that_cannot_be_read_becomes_the_given_one():
    field = SpelledTimestampField(otherwise=datetime.min.replace(tzinfo=UTC))
    assert field.from_db_value(SPELLED) == TIME
    assert field.from_db_value("") == field.otherwise
    assert field.from_db_value(None) is None


def test_a_uuid_has_one_spelling():
    spelled = "00000000-0000-0000-0000-00000000000a"
    assert uuid_of(spelled) == UUID(int=10)
    for other in (spelled.upper(), spelled.replace("-", ""), f"{{{spelled}}}", "", None, 10):
        assert uuid_of(other) is None


@pytest.mark.sqlite
@pytest.mark.django_db
def test_a_json_column_has_one_spelling():
    assert json_value('{"a": [1, null]}') == {"a": [1, None]}
    for other in ("null", "{", "", *(['{"a":1}'] if connection.vendor == "sqlite" else [])):
        with pytest.raises(ValueError):  # noqa: PT011 - or the decoder's own message
            json_value(other)
    for other in (b"{}", None, 1):
        with pytest.raises(TypeError):
            json_value(other)


@pytest.mark.sqlite
@pytest.mark.django_db
def test_the_number_of_no_row_is_0():
    assert number_of("SELECT 7") == 7
    assert number_of("SELECT 7 WHERE 1 = 0") == 0


@pytest.mark.sqlite
@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL stores UTF-8 only")
def test_text_that_is_no_utf_8_is_read_inside_any_text_only():
    with connection.cursor() as cursor:
        with any_text():
            assert cursor.execute("SELECT CAST(x'ff41' AS TEXT)").fetchone() == ("\udcffA",)
        with pytest.raises(sqlite3.OperationalError):
            cursor.execute("SELECT CAST(x'ff41' AS TEXT)").fetchone()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (5, 5),
        (True, "True"),
        ("text", "text"),
        (b"\xfftext", "\ufffdtext"),
        (memoryview(b"text"), "text"),
        ("\udcfftext", "\ufffdtext"),
        (1.5, "1.5"),
    ],
)
def test_a_value_of_any_type_can_be_shown(value, shown):
    found = presentable(value)
    assert (found, type(found)) == (shown, type(shown))
