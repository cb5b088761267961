from html import unescape

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import Client, RequestFactory

from audit.browse.selection import LogCriteria
from audit.log.events import Event, RowChange
from audit.models import (
    AuditExport,
    AuditLog,
    AuditTrail,
    CheckpointKey,
)
from audit.services import exports, proofs
from kernel.clock import process_now
from kernel.freshness.models import SecurityEpoch
from tests.conftest import append_only_triggers_off
from tests.log_entries import insert_events, log_rows, record

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


@pytest.mark.parametrize("query", ["outcome__exact=ok", "source__exact=api"])
def test_the_log_can_be_filtered(browser, recorded, query):
    response = browser.get(f"{path(AuditLog)}?{query}")

    assert response.status_code == 200
    assert recorded.id in [entry.id for entry in response.context["cl"].result_list]


def test_a_developer_stays_outside(developer, recorded):
    client = Client()
    client.force_login(developer.user)

    for model in MODELS:
        assert client.get(path(model)).status_code in {302, 403}


def test_the_page_of_an_entry_leads_to_the_console(browser, recorded):
    page = browser.get(path(AuditLog, str(recorded.id), "change")).content.decode()

    assert f'href="/audit/{recorded.id}/"' in page


def test_a_row_of_several_entries_says_how_many_it_has(browser, auditor):
    used = Event(action="crypto.message.encrypted", object_type="key", object_id="k")
    insert_events(
        [(used, auditor.principal.actor.of_request(f"{number:032x}")) for number in range(27)],
        at=process_now(),
    )
    page = browser.get(path(AuditLog)).content.decode()
    assert '<td class="field-entries">27</td>' in page


def test_a_key_of_checkpoints_is_shown_as_it_is_pinned(browser, recorded):
    pages = [
        unescape(browser.get(path(CheckpointKey, key.kid, "change")).content.decode())
        for key in CheckpointKey.objects.all()
    ]

    for vkey in proofs.list_vkeys():
        assert [vkey in page for page in pages].count(True) == 1


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores only text that is UTF-8")
@pytest.mark.parametrize("column", ["table_name", "action"])
def test_a_changed_row_that_is_not_utf_8_is_listed(browser, recorded, column):
    with append_only_triggers_off(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE audit_trail SET {column} = CAST(x'ff41' AS TEXT)")  # noqa: S608 - two constants
    assert "Altered outside the application" in browser.get(path(AuditTrail)).content.decode()


def test_the_list_of_exports_leads_to_the_console(browser, auditor):
    export = exports.request_export(principal=auditor.principal, export_format="csv", criteria=LogCriteria())

    listed = browser.get(path(AuditExport)).content.decode()
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


def test_counting_stops_at_its_bound(recorded, auditor, monkeypatch):
    monkeypatch.setattr("kernel.read_only_admin.BROWSABLE", 2)
    for _ in range(3):
        record(Event(action="test.thing.done"), auditor.principal.actor)
    list_admin = site.get_model_admin(AuditLog)
    assert list_admin.get_paginator(None, log_rows().order_by("id"), 1).count == 2
