"""A row and a query agree on what an operation with a key is."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from audit.log.events import Actor, Event
from audit.log.operations import OPERATION, has_action, is_operation
from tests.log_entries import insert_events, log_rows

KEY = str(UUID(int=7))
ENTRIES = {
    "operation": Event(action="crypto.message.encrypted", object_type="key", object_id=KEY),
    "of another object": Event(action="crypto.message.encrypted", object_type="token", object_id=KEY),
    "of no key": Event(action="crypto.message.encrypted", object_type="key", object_id=f"name:{KEY}"),
    "no operation": Event(action="keys.key.rotated", object_type="key", object_id=KEY),
}


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_only_operations_with_a_key_match(empty_log):
    actor = Actor.system("test", "api")
    events = [(event, actor) for event in ENTRIES.values()]
    insert_events(events, at=datetime(2026, 11, 25, tzinfo=UTC))
    rows = dict(zip(ENTRIES, log_rows().order_by("id").values(), strict=True))
    assert [name for name, row in rows.items() if is_operation(row)] == ["operation"]
    assert [row.id for row in log_rows().filter(has_action(OPERATION))] == [rows["operation"]["id"]]
