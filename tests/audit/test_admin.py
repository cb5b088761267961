import pytest
from django.contrib.admin import site
from django.test import Client, RequestFactory

from audit.admin.logs import BoundedPaginator
from audit.events import Actor, Event, RowChange
from audit.models import AuditLog, AuditTrail, SecurityEpoch
from audit.services import record

pytestmark = pytest.mark.django_db

MODELS = [AuditLog, AuditTrail, SecurityEpoch]


@pytest.fixture
def told(auditor):
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
def test_nobody_can_change_anything(admin, model):
    request = RequestFactory().get("/")
    request.user = admin.user
    model_admin = site.get_model_admin(model)

    assert model_admin.has_view_permission(request)
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)
    assert model_admin.get_actions(request) == {}


@pytest.mark.parametrize("model", MODELS)
def test_an_auditor_reads_lists_and_entries(browser, told, model):
    row = model.objects.first()

    assert browser.get(path(model)).status_code == 200
    shown = browser.get(path(model, str(row.pk), "change"))
    assert shown.status_code == 200
    assert b"<script>alert" not in shown.content
    assert b'name="_save"' not in shown.content
    assert b"deletelink" not in shown.content


@pytest.mark.parametrize("model", MODELS)
def test_what_would_change_the_log_is_forbidden(browser, told, model):
    row = model.objects.first()
    before = list(model.objects.values())

    assert browser.post(path(model, "add")).status_code == 403
    assert browser.post(path(model, str(row.pk), "change"), {"action": "x"}).status_code == 403
    assert browser.post(path(model, str(row.pk), "delete"), {"post": "yes"}).status_code == 403
    # The refusals themselves are new entries.
    assert list(model.objects.filter(pk__in=[row["id"] for row in before]).values()) == before


@pytest.mark.parametrize("query", ["q=the-object", "outcome__exact=ok", "source__exact=api", "q=test.thing"])
def test_the_log_can_be_searched_and_filtered(browser, told, query):
    response = browser.get(f"{path(AuditLog)}?{query}")

    assert response.status_code == 200
    assert told.id in [entry.id for entry in response.context["cl"].result_list]


def test_a_search_without_a_hit_finds_nothing(browser, told):
    assert not browser.get(f"{path(AuditLog)}?q=nothing-like-this").context["cl"].result_list


def test_a_developer_stays_outside(developer, told):
    client = Client()
    client.force_login(developer.user)

    for model in MODELS:
        assert client.get(path(model)).status_code in {302, 403}


def test_counting_stops_at_its_bound(told, monkeypatch):
    monkeypatch.setattr("audit.admin.logs.EXACT_COUNT", 2)
    for _ in range(3):
        record(Event(action="test.thing.done"), Actor.system("test", "command"))

    assert BoundedPaginator(AuditLog.objects.order_by("id"), 1).count == 2
