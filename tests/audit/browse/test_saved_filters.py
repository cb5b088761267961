"""Saved filters: over the API, and in the browser."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from audit.errors import TooManyFilters
from audit.models import AuditTrail, SavedFilter
from audit.services import saved_filters
from tests.audit.pages import text_of
from tests.browsing import signed_in
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db

FILTERS = "/api/v1/audit/saved-filters"
DENIED = {"name": "refusals", "filters": {"outcome": "denied", "period": "7d"}}


def names(persona):
    return [kept["name"] for kept in persona.api.get(FILTERS).json["results"]]


def test_a_filter_is_kept_in_the_words_of_the_log(auditor):
    filters = {"actor": "ada", "object": "a-key", "from": "2026-01-01T01:00:00+01:00", "search": "two words"}
    response = auditor.api.post(FILTERS, {"name": "of ada", "filters": filters})
    assert response.status == 201
    assert response.json["filters"] == filters | {"from": "2026-01-01T00:00:00.000000Z"}
    assert (response.json["owner_name"], response.json["is_shared"]) == ("aude", False)
    assert auditor.api.get(FILTERS).json["results"] == [response.json]


def test_the_log_records_the_creation_and_deletion_of_a_saved_filter(auditor):
    kept = auditor.api.post(FILTERS, DENIED).json
    assert auditor.api.delete(f"{FILTERS}/{kept['id']}").status == 204
    entries = log_rows().filter(object_type="saved_filter", object_id=kept["id"]).order_by("id")
    assert [entry.action for entry in entries] == [
        "audit.saved_filter.created",
        "audit.saved_filter.deleted",
    ]
    change = AuditTrail.objects.get(event_id=entries[0].event_id)
    assert change.new_values == {"list_name": "log", "is_shared": False} | DENIED
    assert names(auditor) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"filters": {}}, "filters"),
        ({"filters": {"outcome": "perhaps"}}, "filters"),
        ({"filters": {"from": "2026-01-01T00:00:00Z", "period": "7d"}}, "filters"),
        ({"filters": {"before": 3}}, "filters"),
        ({"filters": {"limit": 3}}, "filters"),
        ({"filters": {"period": "2y"}}, "filters"),
        ({"filters": "outcome=denied"}, "filters"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"is_shared": "yes"}, "is_shared"),
        ({"owner": "somebody"}, "owner"),
    ],
)
def test_an_invalid_saved_filter_is_refused(auditor, change, field):
    response = auditor.api.post(FILTERS, DENIED | change)
    assert (response.status, response.code) == (400, "invalid_request")
    assert any(name.startswith(field) for name in response.json["errors"])
    assert not SavedFilter.objects.exists()


def test_a_name_is_used_once_by_each(auditor, admin):
    assert auditor.api.post(FILTERS, DENIED).status == 201
    assert auditor.api.post(FILTERS, DENIED).code == "invalid_request"
    assert admin.api.post(FILTERS, DENIED).status == 201


def test_a_filter_is_private_until_it_is_shared_with_who_reads_the_whole_log(auditor, admin, developer):
    auditor.api.post(FILTERS, DENIED)
    auditor.api.post(FILTERS, DENIED | {"name": "for all", "is_shared": True})
    assert names(auditor) == ["for all", "refusals"]
    assert names(admin) == ["for all"]
    assert names(developer) == []


def test_another_user_may_not_delete_a_shared_filter(auditor, admin):
    kept = auditor.api.post(FILTERS, DENIED | {"is_shared": True}).json
    response = admin.api.delete(f"{FILTERS}/{kept['id']}")
    assert (response.status, response.code) == (403, "permission_denied")
    assert names(auditor) == ["refusals"]


def test_a_user_who_sees_only_their_own_actions_saves_filters_and_shares_none(developer):
    assert developer.api.post(FILTERS, DENIED).status == 201
    response = developer.api.post(FILTERS, DENIED | {"name": "for all", "is_shared": True})
    assert response.json["errors"] == {
        "is_shared": ["You cannot share filters because you can only see your own entries."]
    }
    page = signed_in(developer).get("/audit/saved/new?outcome=denied").content.decode()
    assert "is_shared" not in page


def test_no_one_keeps_more_than_fifty(auditor):
    for number in range(saved_filters.MOST_FILTERS):
        SavedFilter.objects.create(name=f"{number}", owner=auditor.user.id, filters={"outcome": "ok"})
    response = auditor.api.post(FILTERS, DENIED)
    assert (response.status, response.code) == (422, "too_many_filters")


@pytest.mark.django_db(transaction=True)
def test_no_one_keeps_more_by_asking_at_once(auditor, monkeypatch):
    monkeypatch.setattr(saved_filters, "MOST_FILTERS", 2)

    def keep(number):
        try:
            saved_filters.save_filter(
                principal=auditor.principal, name=f"{number}", filters={"outcome": "ok"}
            )
        except TooManyFilters:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(keep, range(8))) == 2
    assert SavedFilter.objects.count() == 2


def test_the_page_saves_the_current_filters_and_opens_them_again(auditor):
    browser = signed_in(auditor)
    saved = browser.post("/audit/saved/new?search=result:denied+words&period=24h", {"name": "refusals"})
    assert saved["Location"] == "/audit/?outcome=denied&period=24h&search=words"
    page = browser.get("/audit/saved/")
    for words in ("refusals", "Search: words", "Result: Denied", "Period: Last 24 hours"):
        assert words in text_of(page)
    assert "You, private" in text_of(page)
    assert 'href="/audit/?outcome=denied&amp;period=24h&amp;search=words"' in page.content.decode()
    kept = SavedFilter.objects.get()
    assert browser.post(f"/audit/saved/{kept.id}/delete").status_code == 303
    assert "No saved filters yet." in text_of(browser.get("/audit/saved/"))


def test_a_form_with_a_fault_keeps_what_was_typed(auditor):
    browser = signed_in(auditor)
    browser.post("/audit/saved/new?outcome=denied", {"name": "refusals"})
    again = browser.post("/audit/saved/new?outcome=denied", {"name": "refusals"})
    assert again.status_code == 422
    assert "You already have a filter with this name." in text_of(again)
    assert 'value="refusals"' in again.content.decode()
    nothing = browser.post("/audit/saved/new", {"name": "everything"})
    assert nothing.status_code == 422
    assert "Add at least one filter." in text_of(nothing)


def test_a_filter_saved_over_the_api_opens_in_the_browser(auditor):
    filters = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "object": "a-key"}
    auditor.api.post(FILTERS, {"name": "of January", "filters": filters})
    browser = signed_in(auditor)
    address = browser.get("/audit/saved/").content.decode().split('row"><a href="')[1].split('"')[0]
    response = browser.get(address.replace("&amp;", "&"))
    assert response.status_code == 200
    assert "From: 2026-01-01 00:00Z" in text_of(response)
