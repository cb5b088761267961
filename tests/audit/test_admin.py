from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin import site
from django.db import connection
from django.http import QueryDict
from django.test import Client, RequestFactory

from audit.admin.list_filters import period_of_list
from audit.admin.logs import BoundedPaginator
from audit.browse.selection import LogCriteria
from audit.log.events import Actor, Event, RowChange
from audit.models import (
    AuditCheckpoint,
    AuditExport,
    AuditLeaf,
    AuditLog,
    AuditReceipt,
    AuditTrail,
    CheckpointKey,
)
from audit.sequencing.running import checkpoint_now
from audit.services import exports, proofs
from kernel.clock import database_now
from kernel.freshness.models import SecurityEpoch
from tests.conftest import append_only_triggers_off
from tests.log_entries import log_rows, record

pytestmark = pytest.mark.django_db

MODELS = [AuditLog, AuditTrail, SecurityEpoch]


@pytest.fixture
def recorded(auditor):
    event = Event(
        action="test.thing.done", object_id="the-object", meta={"reason": "<script>alert(1)</script>"}
    )
    change = RowChange(table_name="t", record_id="the-object", action="insert", new_values={})
    return record(event, auditor.principal.actor, changes=[change])


@pytest.fixture
def browser(auditor):
    client = Client()
    client.force_login(auditor.user)
    return client


def path(model, *rest):
    return "/".join(["/admin/audit", model._meta.model_name, *rest, ""])


@pytest.mark.parametrize("model", MODELS)
def test_no_one_can_change_anything(admin, model):
    request = RequestFactory().get("/")
    request.user = admin.user
    model_admin = site.get_model_admin(model)

    assert model_admin.has_view_permission(request)
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)
    assert model_admin.get_actions(request) == {}


@pytest.mark.parametrize("model", MODELS)
def test_an_auditor_reads_lists_and_entries(browser, recorded, model):
    assert browser.get(path(model)).status_code == 200
    row = model.objects.first()
    shown = browser.get(path(model, str(row.pk), "change"))
    assert shown.status_code == 200
    assert b"<script>alert" not in shown.content
    assert b'name="_save"' not in shown.content
    assert b"deletelink" not in shown.content


@pytest.mark.parametrize("model", MODELS)
def test_changes_of_the_log_are_forbidden(browser, recorded, model):
    log_rows()
    row = model.objects.first()
    before = list(model.objects.values())

    assert browser.post(path(model, "add")).status_code == 403
    assert browser.post(path(model, str(row.pk), "change"), {"action": "x"}).status_code == 403
    assert browser.post(path(model, str(row.pk), "delete"), {"post": "yes"}).status_code == 403
    # The refusals themselves are new entries.
    assert list(model.objects.filter(pk__in=[row["id"] for row in before]).values()) == before


@pytest.mark.parametrize("query", ["q=the-object", "outcome__exact=ok", "source__exact=api", "q=test.thing"])
def test_the_log_can_be_searched_and_filtered(browser, recorded, query):
    response = browser.get(f"{path(AuditLog)}?{query}")

    assert response.status_code == 200
    assert recorded.id in [entry.id for entry in response.context["cl"].result_list]


def test_a_search_without_a_hit_finds_nothing(browser, recorded):
    assert not browser.get(f"{path(AuditLog)}?q=nothing-like-this").context["cl"].result_list


def test_a_search_reads_the_newest_of_the_chosen_date(browser, recorded, monkeypatch):
    tomorrow = recorded.timestamp + timedelta(days=1)
    record(Event(action="test.thing.done"), Actor.system("test", "command"), at=tomorrow)
    monkeypatch.setattr("audit.services.searching.SEARCH_DEPTH", 1)

    assert not browser.get(f"{path(AuditLog)}?q=the-object").context["cl"].result_list
    day = "&".join(
        f"timestamp__{part}={getattr(recorded.timestamp, part)}" for part in ("year", "month", "day")
    )
    dated = browser.get(f"{path(AuditLog)}?q=the-object&{day}")
    assert [entry.id for entry in dated.context["cl"].result_list] == [recorded.id]


def test_a_developer_stays_outside(developer, recorded):
    client = Client()
    client.force_login(developer.user)

    for model in MODELS:
        assert client.get(path(model)).status_code in {302, 403}


def test_counting_stops_at_its_bound(recorded, monkeypatch):
    monkeypatch.setattr("audit.admin.logs.BROWSABLE", 2)
    for _ in range(3):
        record(Event(action="test.thing.done"), Actor.system("test", "command"))

    assert BoundedPaginator(log_rows().order_by("id"), 1).count == 2


@pytest.fixture
def proven(recorded):
    checkpoint = checkpoint_now()
    AuditReceipt.objects.create(
        size=checkpoint.size, anchor="file", receipt="offset 4711", anchored_at=database_now()
    )
    return recorded


def test_the_page_of_an_entry_names_its_leaf_and_leads_to_the_console(browser, proven):
    page = browser.get(path(AuditLog, str(proven.id), "change")).content.decode()

    assert f'<div class="readonly">{proven.id - 1}</div>' in page
    assert f'href="/audit/{proven.id}/"' in page


def test_checkpoints_show_who_has_taken_them(browser, proven):
    checkpoint = AuditCheckpoint.objects.get()

    (row,) = browser.get(path(AuditCheckpoint)).context["cl"].result_list
    assert row.anchors == "file"
    page = browser.get(path(AuditCheckpoint, str(checkpoint.size), "change")).content.decode()
    assert "file: offset 4711" in page


def test_a_checkpoint_that_no_anchor_took_is_listed_too(browser, recorded):
    checkpoint_now()

    (row,) = browser.get(path(AuditCheckpoint)).context["cl"].result_list
    assert row.anchors is None


def test_a_key_of_checkpoints_is_shown_as_it_is_pinned(browser, recorded):
    pages = [
        unescape(browser.get(path(CheckpointKey, key.kid, "change")).content.decode())
        for key in CheckpointKey.objects.all()
    ]

    for vkey in proofs.list_vkeys():
        assert [vkey in page for page in pages].count(True) == 1


def test_a_leaf_of_the_first_era_is_found_by_its_entry(browser, proven):
    AuditLeaf.objects.create(idx=7, log_id=proven.id, leaf_hash=b"x" * 32)
    found = browser.get(f"{path(AuditLeaf)}?q={proven.id}").context["cl"].result_list

    assert [leaf.log_id for leaf in found] == [proven.id]
    for nothing in ("nonsense", "9" * 30, "\u0661"):
        assert not browser.get(f"{path(AuditLeaf)}?q={nothing}").context["cl"].result_list


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores only text that is UTF-8")
@pytest.mark.parametrize("column", ["table_name", "action"])
def test_a_changed_row_that_is_not_utf_8_is_listed(browser, recorded, column):
    with append_only_triggers_off(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE audit_trail SET {column} = CAST(x'ff41' AS TEXT)")  # noqa: S608 - two constants
    assert "Altered outside the application" in browser.get(path(AuditTrail)).content.decode()


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("timestamp__year=2026", "2026-01-01", "2027-01-01"),
        ("timestamp__year=2026&timestamp__month=12", "2026-12-01", "2027-01-01"),
        ("timestamp__year=2028&timestamp__month=2", "2028-02-01", "2028-03-01"),
        ("timestamp__year=2028&timestamp__month=2&timestamp__day=29", "2028-02-29", "2028-03-01"),
    ],
)
def test_a_date_is_a_half_open_period(query, since, until):
    assert [f"{moment:%Y-%m-%d}" for moment in period_of_list(QueryDict(query))] == [since, until]


@pytest.mark.parametrize(
    "query",
    [
        "q=x",
        "timestamp__month=2",
        "timestamp__year=2026&timestamp__day=2",
        "timestamp__year=2026&timestamp__month=13",
        "timestamp__year=9999",
        "timestamp__year=x",
    ],
)
def test_a_date_that_is_no_period_has_no_bounds(query):
    assert period_of_list(QueryDict(query)) == (None, None)


def test_the_list_of_exports_shows_progress_and_leads_to_the_console(browser, auditor):
    export = exports.request_export(principal=auditor.principal, export_format="csv", criteria=LogCriteria())
    AuditExport.objects.update(done=3, total=7)

    listed = browser.get(path(AuditExport)).content.decode()
    assert "3 of 7 rows" in listed
    assert 'href="/audit/exports/"' in listed
    assert (
        f'href="/jobs/{export.id}/"'
        in browser.get(path(AuditExport, str(export.id), "change")).content.decode()
    )


def test_an_operator_reads_the_log_and_sees_no_export(operator, auditor):
    export = exports.request_export(principal=auditor.principal, export_format="csv", criteria=LogCriteria())
    client = Client()
    client.force_login(operator.user)

    assert client.get(path(AuditLog)).status_code == 200
    assert client.get(path(AuditExport)).status_code == 403
    assert client.get(path(AuditExport, str(export.id), "change")).status_code == 403
