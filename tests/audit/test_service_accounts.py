"""A service account sees what it did, and readers find it by its id and name."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from msgspec import structs

from accounts.principals import Principal
from audit.browse.selection import LogCriteria, TrailCriteria
from audit.browse.suggestions import suggest
from audit.log.events import Event, RowChange, Source
from audit.models import UsageRollup
from audit.sequencing.catching_up import catch_up
from audit.services import decisions, exports, reading, saved_filters
from audit.services.showing import show_entry, show_rows, with_names
from audit.usage.queries import use_of
from audit.usage.tokens import last_token_uses
from kernel.clock import database_now
from kernel.errors import Denied, Invalid, NotFound
from tests import log_entries
from tests.audit.exports.exporting import work
from tests.audit.sequencing.log import sequence_all, write
from tests.audit.service_accounts import BILLING, ORIGIN, REPORTS, account, caller
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

KEY = "6f1d2c3b-0000-4000-8000-000000000001"
CREATED = Event(action="keys.key.created", object_type="key", object_id=KEY, meta={"reason": "monthly"})
ENCRYPTED = Event(action="crypto.message.encrypted", object_type="key", object_id=KEY, object_version=1)


def record(event, actor, at=None):
    change = RowChange(table_name="encryption_keys", record_id=KEY, action="insert", new_values={"a": 1})
    with transaction.atomic():
        recorded = log_entries.record(event, actor, changes=[change], at=at)
    catch_up()
    return recorded


def test_it_sees_its_own_entries_and_changes_only():
    own, other = record(CREATED, account()), record(CREATED, account(REPORTS, "reports"))
    person = record(CREATED, ORIGIN.user(BILLING, "same id"))
    reader = caller()

    assert list(reading.find_logs(reader=reader, criteria=LogCriteria())) == [own]
    changes = reading.find_changes(reader=reader, criteria=TrailCriteria())
    assert [change.event_id for change in changes] == [own.event_id]
    for hidden in (other, person):
        with pytest.raises(NotFound):
            show_entry(reader=reader, log_id=hidden.id)
    assert suggest(reader=reader).actions == ["keys.key.created"]


@pytest.mark.parametrize("who", [str(BILLING), "billing"])
def test_it_is_found_by_its_id_and_its_name(who):
    own = record(CREATED, account())
    record(CREATED, account(REPORTS, "reports"))
    record(CREATED, ORIGIN.user(REPORTS, "mira"))
    auditor = caller(REPORTS, "auditor")

    assert list(reading.find_logs(reader=auditor, criteria=LogCriteria(actor=who))) == [own]
    changes = reading.find_changes(reader=auditor, criteria=TrailCriteria(actor=who))
    assert [change.event_id for change in changes] == [own.event_id]


def test_a_decision_shows_its_reason_to_the_account_that_made_it():
    record(CREATED, account())

    def reason_for(reader):
        [found] = decisions.find_decisions(
            reader=reader, object_id=KEY, actions=["keys.key.created"]
        ).values()
        return found.reason

    assert (reason_for(caller()), reason_for(caller(REPORTS))) == ("monthly", "")


def test_its_own_entry_about_itself_shows_its_name():
    about = Event(
        action="accounts.service_account.created", object_type="service_account", object_id=str(BILLING)
    )
    write(1, about, actor=account())
    [entry] = with_names(caller(), show_rows(log_rows().all()))
    assert (entry.object_name, entry.integrity) == ("billing", "verified")


def test_its_exports_are_its_own_and_contain_its_own_entries():
    exporter, other = caller(more=["audit.export"]), caller(REPORTS, more=["audit.export"])
    write(2, actor=account())
    write(1, actor=account(REPORTS, "reports"))
    export = request_export(exporter)
    request_export(other)

    assert list(exports.find_exports(principal=exporter)) == [export]
    work()
    lines = exports.find_result(principal=exporter, job_id=export.id).path.read_text().splitlines()
    assert {json.loads(line)["actor_id"] for line in lines} == {str(BILLING)}
    finished = log_rows().filter(action="audit.export.finished").order_by("id").first()
    assert (finished.actor_id, finished.actor_name, finished.user_id) == (BILLING, "billing", None)


def request_export(principal):
    recent = replace(principal, auth_time=database_now())
    return exports.request_export(principal=recent, export_format="jsonl", criteria=LogCriteria())


def test_its_saved_filters_are_its_own():
    kept = saved_filters.save_filter(principal=caller(), name="denied", filters={"outcome": "denied"})
    assert (kept.owner, kept.owner_type, kept.owner_name) == (BILLING, "service_account", "billing")
    assert list(saved_filters.find_filters(reader=caller())) == [kept]
    assert not saved_filters.find_filters(reader=caller(REPORTS)).exists()
    with pytest.raises(Invalid):
        saved_filters.save_filter(principal=caller(), name="denied", filters={"outcome": "ok"})
    saved_filters.delete_filter(principal=caller(), filter_id=kept.id)


def test_the_system_saves_no_filters():
    with pytest.raises(Denied, match="users and service accounts"):
        saved_filters.save_filter(
            principal=Principal.system("test", Source.COMMAND), name="denied", filters={"outcome": "denied"}
        )


def test_its_use_of_a_key_shows_its_name():
    write(3, ENCRYPTED, actor=account())
    sequence_all()

    [row] = UsageRollup.objects.all()
    assert (row.principal, row.principal_type, row.count) == (str(BILLING), "service_account", 3)
    use = use_of(KEY)
    assert (use.callers.by_name, use.last.name) == ((("billing", 3),), "billing")


def test_the_last_use_of_a_token_is_its_newest_entry():
    elsewhere = structs.replace(ORIGIN, client_ip="2001:db8::1")
    write(1, CREATED, actor=account(token_id="t1"))
    last = write(1, ENCRYPTED, actor=account(token_id="t1", origin=elsewhere))
    of_user = write(1, actor=ORIGIN.user(REPORTS, "mira", auth_method="service_token", token_id="t2"))
    write(1, actor=ORIGIN.user(REPORTS, "mira", auth_method="password", token_id="t3"))
    sequence_all()
    expected = {"t1": (last.timestamp, "2001:db8::1"), "t2": (of_user.timestamp, "192.0.2.9")}
    assert last_token_uses(["t1", "t2", "t3", "t4"]) == expected

    record(CREATED, account(token_id="t1"), at=last.timestamp - timedelta(microseconds=1))
    sequence_all()
    assert last_token_uses(["t1"])["t1"] == expected["t1"]
