"""The log has only ids. Searches, filters and rows know the names of the objects that the reader may see."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from msgspec.structs import replace

from audit.browse.selection import LogCriteria
from audit.log import object_names
from audit.log.events import Actor, Event, Outcome
from audit.log.operations import OPERATION
from audit.sequencing.catching_up import catch_up
from audit.services.reading import find_logs, select_logs
from audit.services.searching import FoundLogs, search_logs
from audit.services.showing import show_rows, with_names
from kernel.trust.row_mac import IntegrityFailed
from keys.models import Key
from tests.audit.exports.exporting import exported, ids
from tests.audit.pages import record_event
from tests.factories import KeyFactory
from tests.log_entries import log_rows, record

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

SYSTEM = Actor.system("rotate_keys", "command")
DECRYPTED, ENCRYPTED = "crypto.message.decrypted", "crypto.message.encrypted"


@pytest.fixture
def key(admin):
    return KeyFactory(name="payments-db")


@pytest.fixture
def entries(admin, developer, key):
    """Name -> entry. Three are about the key, and two by an actor of the same kind of name."""

    def made(actor, action, object_id="", **values):
        return record_event(actor, action, object_type="key", object_id=object_id, **values)

    api = replace(developer.principal.actor, actor_name="payments-api")
    recorded = {
        "decrypted": made(SYSTEM, DECRYPTED, str(key.id)),
        "encrypted": made(admin.principal.actor, ENCRYPTED, str(key.id)),
        "refused": made(api, DECRYPTED, "name:payments-db", outcome=Outcome.DENIED, code="not_found"),
        "other": made(api, DECRYPTED, str(uuid4())),
        "mentioned": made(SYSTEM, "test.thing.done", meta={"reason": "moved payments-db to another host"}),
    }
    catch_up()
    return recorded


def found(entries, reader, **criteria):
    names = {entry.id: name for name, entry in entries.items()}
    rows = find_logs(reader=reader.principal, criteria=LogCriteria(**criteria))
    return {names[row.id] for row in rows if row.id in names}


@pytest.mark.parametrize("text", ["payments-db", "Payments-DB", "name:payments-db"])
def test_a_name_finds_the_events_of_the_key_and_the_requests_that_named_it(auditor, entries, text):
    assert found(entries, auditor, object_id=text) == {"decrypted", "encrypted", "refused"}


def test_an_id_finds_only_what_has_the_id(auditor, entries, key):
    assert found(entries, auditor, object_id=str(key.id)) == {"decrypted", "encrypted"}


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("payments-db decrypted", {"decrypted", "refused"}),
        ("decrypted PAYMENTS-DB", {"decrypted", "refused"}),
        ("payments-db", {"decrypted", "encrypted", "refused", "mentioned"}),
        ("payments-api decrypted", {"refused", "other"}),
        ("payments-db payments-api", {"refused"}),
        ("payments-db done", {"mentioned"}),
        ("payments-d", {"decrypted", "encrypted", "refused", "mentioned"}),
        ("ayments", {"refused", "other", "mentioned"}),
        ("p.yments", set()),
        ('"payments-db"', {"refused", "mentioned"}),
        ('"payments-db to another" done', {"mentioned"}),
    ],
)
def test_a_word_begins_a_part_of_a_name_or_is_a_part_of_the_texts(auditor, entries, search, names):
    assert found(entries, auditor, search=search) == names


@pytest.mark.parametrize(
    ("beginning", "has"), [("pay", True), ("iban", True), ("payout-i", True), ("ban", False), ("p.y", False)]
)
def test_a_name_has_the_parts_between_its_separators(beginning, has):
    assert object_names.has_part("payout-iban", beginning) == has


def test_a_word_that_begins_too_many_names_is_compared_with_whole_names(auditor, entries, monkeypatch):
    KeyFactory(name="payments-db-2")
    monkeypatch.setattr(object_names, "MOST_BEGUN", 1)
    for word, names in (
        ("payments", []),
        ("payments-db", ["payments-db"]),
        ("payments-db-2", ["payments-db-2"]),
    ):
        selected = select_logs(reader=auditor.principal, criteria=LogCriteria(search=word))
        assert (selected.names, selected.has_all_names) == (names, word == "payments-db-2")
    assert found(entries, auditor, search="payments") == {"refused", "other", "mentioned"}
    assert found(entries, auditor, search="payments-db") >= {"decrypted", "encrypted"}


def test_the_name_of_a_user_finds_what_they_did_and_what_was_done_to_them(auditor, developer, entries):
    done = record(Event(action="test.thing.done"), developer.principal.actor)
    user = str(developer.user.id)
    suffered = record(Event(action="accounts.user.disabled", object_type="user", object_id=user), SYSTEM)
    both = {"done": done, "suffered": suffered}
    assert found(both, auditor, search="dora") == {"done", "suffered"}
    assert found(both, auditor, object_id="dora") == {"suffered"}


def test_the_name_of_an_invisible_key_is_like_one_that_no_key_has(stranger, entries, key):
    own = {"own": record(Event(action="test.thing.done", object_id=str(key.id)), stranger.principal.actor)}
    for name in ("payments-db", "no-such-key"):
        for criteria in (LogCriteria(object_id=name), LogCriteria(search=name)):
            with CaptureQueriesContext(connection) as statements:
                selected = select_logs(reader=stranger.principal, criteria=criteria)
            assert (len(statements), selected.names) == (1, [])
            assert selected.is_unnamed == bool(criteria.object_id)
            rows = find_logs(reader=stranger.principal, criteria=criteria)
            assert not rows.filter(id=own["own"].id).exists()


@pytest.mark.parametrize(
    ("criteria", "reads_all"),
    [
        ({"object_id": "payments-db", "search": "decrypted"}, True),
        ({"action": OPERATION}, True),
        ({"search": "payments-db"}, False),
        ({"search": "decrypted"}, False),
    ],
)
def test_a_search_reads_all_events_of_an_object_and_otherwise_a_part(
    auditor, entries, monkeypatch, criteria, reads_all
):
    monkeypatch.setattr("audit.services.searching.SEARCH_DEPTH", 1)
    oldest = entries["decrypted"].id
    with search_logs(reader=auditor.principal, criteria=LogCriteria(**criteria)) as searched:
        assert searched.rows.filter(id=oldest).exists() == reads_all
        assert (searched.stopped_at is None) == reads_all


@pytest.mark.django_db(transaction=True)
def test_the_api_its_exports_and_saved_filters_take_names(auditor, entries):
    filters = {"object": "payments-db", "action": DECRYPTED}
    wanted = [entries["refused"].id, entries["decrypted"].id]
    response = auditor.api.get(f"/api/v1/audit/logs?object=payments-db&action={DECRYPTED}").json
    assert ([entry["id"] for entry in response["results"]], response["count"]) == (wanted, 2)
    content, reported = exported(auditor, **filters)
    assert (ids(content), reported["filters"]) == (wanted[::-1], filters)
    saved = auditor.api.post("/api/v1/audit/saved-filters", {"name": "mine", "filters": filters})
    assert (saved.status, saved.json["filters"]) == (201, filters)


@pytest.mark.parametrize("time", ["", "timestamp"])
def test_pages_of_a_name_have_the_rows_of_all_its_spellings_in_order(auditor, entries, time):
    selected = select_logs(reader=auditor.principal, criteria=LogCriteria(object_id="payments-db"))
    everything = list(
        find_logs(reader=auditor.principal, criteria=LogCriteria(object_id="payments-db"))
        .order_by("-id")
        .values_list("id", flat=True)
    )
    seen, before = [], None
    while True:
        page = FoundLogs(selected, selected.entries, time, before).page(1)
        seen += [row.id for row in page.rows]
        assert page.has_previous == (before is not None)
        if page.next_before is None:
            break
        before = page.next_before
    assert len(seen) >= 4  # with the creation
    assert seen == everything


def test_rows_have_the_names_that_the_reader_may_see(auditor, developer, entries, key):
    rows = [entries["decrypted"], entries["refused"], entries["other"]]
    user = record(
        Event(action="accounts.user.disabled", object_type="user", object_id=str(developer.user.id)), SYSTEM
    )
    shown = show_rows(log_rows().filter(id__in=[row.id for row in (*rows, user)]).order_by("id"))
    with CaptureQueriesContext(connection) as statements:
        named = [(row.object_name, row.object_page) for row in with_names(auditor.principal, shown)]
    assert named == [("payments-db", "key"), ("payments-db", ""), ("", ""), ("dora", "")]
    assert len(statements) == 3  # the names, and once in a process the rows, to check their MACs
    with CaptureQueriesContext(connection) as statements:
        with_names(auditor.principal, shown)
    assert len(statements) == 1


@pytest.mark.parametrize("is_known", [False, True])
def test_a_name_that_was_changed_in_the_database_is_not_shown_and_finds_nothing(
    auditor, entries, key, is_known
):
    shown = show_rows(log_rows().filter(id=entries["decrypted"].id))
    if is_known:
        with_names(auditor.principal, shown)
    Key.objects.filter(pk=key.pk).update(name="x y/z")
    [row] = with_names(auditor.principal, show_rows(log_rows().filter(id=entries["decrypted"].id)))
    assert (row.object_name, row.object_page) == ("", "")
    with pytest.raises(IntegrityFailed):
        find_logs(reader=auditor.principal, criteria=LogCriteria(object_id="x y/z"))


def test_only_the_named_objects_are_read(auditor, entries, key):
    KeyFactory(name="another")
    objects = [("key", str(key.id)), ("key", "name:another"), ("thing", str(key.id))]
    assert object_names.visible_names(auditor.principal, objects) == {("key", str(key.id)): "payments-db"}
    assert object_names.page_of("thing") == ""


def test_rows_have_no_names_of_keys_that_the_reader_may_not_see(developer, entries):
    shown = show_rows(log_rows().filter(id=entries["decrypted"].id))
    assert with_names(developer.principal, shown)[0].object_name == ""
