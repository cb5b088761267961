"""A refusal that gets no entry of its own still shows which canary it touched, to the watcher only."""

import json
import logging
import time
from uuid import uuid4

import pytest
from msgspec.structs import replace

from audit.log import refusals, sealed_details
from audit.log.events import Actor, Event, Outcome
from canaries.documents import HOST, Kind
from canaries.sealed import journal
from canaries.sealed.store import read_incidents
from canaries.services.planting import plant_canary
from canaries.watching import overflow
from kernel.trust import system_keys
from kernel.trust.models import SystemKey
from tests.factories import KeyFactory, ServiceAccountFactory, TokenFactory
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}
OVERFLOWED = "api.refusals.overflowed"


@pytest.fixture(autouse=True)
def table(monkeypatch):
    """Each client has one kind of refusals. The others have no entry of their own."""
    table = refusals._pending.current.table
    monkeypatch.setattr(table, "per_subject", 1)
    return table


def refuse(object_id="", meta=None, **of_actor):
    """A refusal of a client: its first one, or one beyond its limit."""
    event = Event(
        action="keys.key.read",
        object_id=object_id or str(uuid4()),
        outcome=Outcome.DENIED,
        meta=meta or {},
    )
    refusals.note(event, replace(Actor.anonymous("192.0.2.1", "curl", "r"), **of_actor))


def overflow_meta():
    refusals.flush()
    return [json.loads(row.meta) for row in log_rows().filter(action=OVERFLOWED).order_by("id")]


def touches():
    return [(each.first.action, each.touches) for each in read_incidents().incidents]


def test_a_touch_among_many_other_refusals_is_found_once(planted, key, stranger, watch):
    for number in range(4):
        assert stranger.api.post("/api/v1/encrypt", {"key_id": str(uuid4()), **TEXT}).status == 404
        if number % 2:
            assert stranger.api.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT}).status == 404
    refusals.flush()
    watch()
    watch()
    assert touches() == [(OVERFLOWED, 2)]


@pytest.mark.parametrize("is_open", [False, True])
def test_each_name_of_a_refusal_counts_before_and_after_the_set_is_open(is_open, planted, key, watch):
    refuse()
    refuse()
    if is_open:
        sealed_details.refresh()
    refuse(object_id=key["id"])
    refuse(object_id=f"name:{key['name']}")
    refuse(meta={"refused_keys": [str(uuid4()), key["id"]]})
    refuse(meta={"refused_keys": [str(uuid4())]})
    refusals.flush()
    watch()
    assert touches() == [(OVERFLOWED, 3)]


def test_every_holder_counts_in_the_entry_that_all_clients_share(sealed, admin, table, monkeypatch, watch):
    monkeypatch.setattr(table, "capacity", 1)
    account = ServiceAccountFactory(principal=admin.principal, name="billing")
    token = TokenFactory(account_id=account.id).token
    for kind, object_id in ((Kind.USER, admin.user.id), (Kind.CLIENT, account.id), (Kind.TOKEN, token.id)):
        plant_canary(by=HOST, kind=kind, object_id=object_id, note=kind)
    refuse(user_id=uuid4())
    for of_actor in (
        {"user_id": admin.user.id},
        {"actor_id": account.id},
        {"token_id": str(token.id)},
        {"actor_name": admin.user.username},
    ):
        refuse(**of_actor)
    refusals.flush()
    watch()
    touched = {
        each.facts["touch"]["count"]: 0
        for page in journal.read()
        for each in page.page.records
        if each.word == "canary.touched"
    }
    incidents = read_incidents().incidents
    assert (sorted(each.touches for each in incidents), set(touched)) == ([1, 1, 2], {1, 2})


def test_a_flood_fills_the_memory_only_until_the_set_is_open(planted, key, monkeypatch, watch):
    monkeypatch.setattr(overflow, "_MOST_WAITING", 3)
    for _ in range(6):
        refuse()
    refuse(object_id=key["id"])  # forgotten
    sealed_details.refresh()
    for _ in range(6):
        refuse()
    refuse(object_id=key["id"])
    refusals.flush()
    watch()
    assert touches() == [(OVERFLOWED, 1)]


def test_a_canary_planted_during_a_flood_counts_from_the_next_second_on(sealed, key, watch):
    refuse()
    refuse()
    sealed_details.refresh()
    plant_canary(by=HOST, kind=Kind.KEY, object_id=key["id"], note="a wiki")
    sealed_details.refresh()
    refuse(object_id=key["id"])
    refusals.flush()
    watch()
    assert touches() == [(OVERFLOWED, 1)]


def test_the_entry_has_the_same_form_with_and_without_canaries(root_of_trust, caplog):
    for keys in (0, 1, 20):
        planted = [KeyFactory(name=f"key-{keys}-{number}") for number in range(keys)]
        for key in planted:
            plant_canary(by=HOST, kind=Kind.KEY, object_id=key.id, note="")
        refuse()
        refuse()
        for key in planted:
            refuse(object_id=str(key.id))
        refusals.flush()
    metas = overflow_meta()
    assert {len(meta["sealed"]) for meta in metas} == {1368}
    assert {frozenset(meta) for meta in metas} == {frozenset({"sealed", "repeats_within_seconds"})}
    assert len({meta["sealed"] for meta in metas}) == len(metas) == 3
    assert caplog.messages == []


def test_an_entry_has_as_many_canaries_as_fit(sealed, watch):
    for number in range(20):
        key = KeyFactory(name=f"key-{number}")
        plant_canary(by=HOST, kind=Kind.KEY, object_id=key.id, note="")
        refuse(object_id=str(key.id)) if number else refuse()
        refuse(object_id=str(key.id))
    refusals.flush()
    watch()
    assert len(read_incidents().incidents) == 16


def test_overflow_is_written_every_second_and_kinds_are_kept(monkeypatch, planted, key, table):
    monkeypatch.setattr(refusals, "OVERFLOW_PERIOD", 0.05)
    for _ in range(3):
        refuse()
    refuse(object_id=key["id"])
    deadline = time.monotonic() + 60
    while not log_rows().filter(action=OVERFLOWED).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert log_rows().get(action=OVERFLOWED).count == 3
    refuse()
    assert table.has_overflow, "the first kind still has its place"


def test_without_the_key_the_entry_keeps_its_form(sealed, caplog):
    SystemKey.objects.filter(purpose=system_keys.DOCUMENTS).delete()
    system_keys.forget()
    refuse()
    refuse()
    with caplog.at_level(logging.ERROR):
        [meta] = overflow_meta()
    assert len(meta["sealed"]) == 1368
    assert [message for message in caplog.messages if "details of refusals" in message] == [
        "the details of refusals could not be looked up",
        "the details of refusals could not be sealed",
    ]


def test_the_opened_set_leaves_memory_after_the_flood(planted, key, watch):
    refuse()
    refuse()
    refusals._flush_overflow()
    assert str(key["id"]) in overflow.SOURCE._opened.current.named
    refuse(object_id=key["id"])  # while it is open
    refusals._flush_overflow()
    refusals._flush_overflow()
    assert overflow.SOURCE._opened.current.named is None
    refuse(object_id=key["id"])
    refusals._flush_overflow()
    watch()
    assert touches() == [(OVERFLOWED, 2)]
