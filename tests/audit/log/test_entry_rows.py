"""The values of a row for the log equal the text that the database's own types would write."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from msgspec.structs import replace

from audit.log.bundles import new_event_ids
from audit.log.entry_rows import stored_timestamp, stored_uuid
from audit.log.events import Actor, Event
from audit.models import AuditLog
from tests.log_entries import insert_events, log_rows

ACTOR = Actor.system("test", "api")
ACCOUNT = replace(ACTOR, actor_id=uuid.UUID(int=7), actor_type="service_account")
EVENT = Event(action="test.done", object_id="k", size=3, meta={"reason": "r"})


def test_an_event_id_is_a_random_uuid():
    texts = new_event_ids(200)
    for text in texts:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, parsed.hex) == (4, uuid.RFC_4122, text)
    assert len(set(texts)) == 200
    # No octet repeats the one beside it, not even without the bits of version and variant.
    for place, bits in ((12, 0x0F), (16, 0x3F)):
        one, other = (
            [int(text[start : start + 2], 16) & bits for text in texts] for start in (place, place + 2)
        )
        assert one != other


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("actor", [ACTOR, ACCOUNT])
@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_an_inserted_entry_is_stored_as_the_model_stores_it(microsecond, actor):
    moment = datetime(2026, 11, 25, 10, 0, 0, microsecond, tzinfo=UTC)
    insert_events([(EVENT, actor)] * 3, at=moment)
    row = log_rows().first()
    row.id, row.wseq = 1000, 1000
    with transaction.atomic():
        row.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT timestamp, writer, user_id, actor_id FROM audit_logs ORDER BY id")
        first, *others = cursor.fetchall()
    assert others == [first] * 3
    assert AuditLog.objects.filter(event_id=row.event_id).count() == 2


def test_sqlite_stores_what_django_writes():
    assert stored_uuid(str(uuid.UUID(int=7))) == uuid.UUID(int=7).hex
    assert stored_uuid(None) is None
    assert stored_timestamp("2026-11-25T10:00:00.000000Z") == "2026-11-25 10:00:00"
    assert stored_timestamp("2026-11-25T10:00:00.100000Z") == "2026-11-25 10:00:00.100000"
