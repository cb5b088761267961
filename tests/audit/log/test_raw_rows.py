"""Values of columns that someone may have altered, without a database."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from audit.log.raw_rows import SpelledTimestampField, presentable, timestamp_of, uuid_of

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
