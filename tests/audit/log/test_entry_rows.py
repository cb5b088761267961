"""The text values of a row for the log equal the text that the database's own types would write."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from msgspec.structs import replace

from audit.log.canonical import format_timestamp
from audit.log.entries import mac_bytes, version_of
from audit.log.entry_mac import compute_entry_mac
from audit.log.entry_rows import entry_row, insert_rows, new_event_ids
from audit.log.events import Actor, Event
from audit.models import AuditLog

ACTOR = Actor.system("test", "api")
ACCOUNT = replace(ACTOR, actor_id=uuid.UUID(int=7), actor_type="service_account")
EVENT = Event(action="test.done", object_id="k", size=3, meta={"reason": "r"})


def test_an_event_id_is_a_random_uuid_in_its_one_spelling():
    texts = new_event_ids(200)
    for text in texts:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, text)
    assert len(set(texts)) == 200


@pytest.mark.django_db
@pytest.mark.parametrize(("actor", "version"), [(ACTOR, 1), (ACCOUNT, 2)])
def test_the_mac_is_that_of_the_canonical_form(actor, version):
    row = entry_row(EVENT, actor, at="2026-11-25T10:00:00.000000Z", writer=str(uuid.uuid4()), wseq=1)
    assert version_of(row) == version
    assert row["mac"] == compute_entry_mac(mac_bytes(row), version)
    assert row["mac"].startswith(f"{version}.")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("actor", [ACTOR, ACCOUNT])
@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_what_is_inserted_is_stored_as_the_model_stores_it(microsecond, actor):
    moment = datetime(2026, 11, 25, 10, 0, 0, microsecond, tzinfo=UTC)
    writer = uuid.uuid4()
    row = entry_row(EVENT, actor, at=format_timestamp(moment), writer=str(writer), wseq=1)
    typed = {"timestamp": moment, "writer": writer, "event_id": uuid.UUID(str(row["event_id"]))}
    with transaction.atomic():
        insert_rows([row])
        insert_rows([{**row, "wseq": 2}, {**row, "wseq": 3}])
        AuditLog.objects.create(**{**row, **typed, "actor_id": actor.actor_id, "wseq": 4})
    with connection.cursor() as cursor:
        cursor.execute("SELECT timestamp, writer, event_id, user_id, actor_id FROM audit_logs")
        first, *others = cursor.fetchall()
    assert others == [first] * 3
