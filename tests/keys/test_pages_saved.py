"""Saved views of the list of keys."""

from types import SimpleNamespace

import pytest

from audit.models import AuditTrail, SavedFilter
from audit.services import saved_filters
from kernel.errors import Denied, Invalid, NotFound
from keys.pages.views import saved
from keys.pages.views.saved import KEY_VIEWS
from tests.browsing import signed_in, text
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db
QUERY = "status=disabled&search=stop&ordering=-name"
ADDRESS = "/keys/?ordering=-name&amp;search=stop&amp;status=disabled"


def save(persona, name="stopped", **sent):
    return signed_in(persona).post(f"/keys/views-new?{QUERY}", {"name": name, **sent})


def views_of(persona):
    return [each.name for each in saved_filters.find_filters(reader=persona.principal, of=KEY_VIEWS)]


def test_a_saved_view_opens_the_list_with_its_filters_and_order(admin):
    browser = signed_in(admin)
    assert "Save view" not in text(browser.get("/keys/"))
    assert "/keys/views-new?" in text(browser.get(f"/keys/?{QUERY}"))
    assert save(admin).status_code == 303
    assert f'<a href="{ADDRESS}">stopped</a>' in text(browser.get("/keys/"))
    assert f'<a href="{ADDRESS}" aria-current="true">stopped</a>' in text(browser.get(f"/keys/?{QUERY}"))
    page = text(browser.get("/keys/views"))
    for words in ("State: Disabled", "Order: Name, descending", "You, private"):
        assert words in page


def test_the_log_records_a_saved_view_and_its_end(admin):
    save(admin)
    kept = SavedFilter.objects.get()
    assert signed_in(admin).post(f"/keys/views-delete/{kept.id}").status_code == 303
    assert not SavedFilter.objects.exists()
    entries = log_rows().filter(object_id=str(kept.id)).order_by("id")
    assert [each.action for each in entries] == ["audit.saved_filter.created", "audit.saved_filter.deleted"]
    filters = {"status": "disabled", "search": "stop", "ordering": "-name"}
    change = AuditTrail.objects.get(event_id=entries[0].event_id)
    assert change.new_values == {
        "list_name": "keys",
        "name": "stopped",
        "is_shared": False,
        "filters": filters,
    }


def test_a_view_is_private_until_it_is_shared_with_who_sees_all_keys(admin, auditor, developer):
    save(admin)
    save(admin, "for all", is_shared="on")
    assert views_of(admin) == ["for all", "stopped"]
    assert views_of(auditor) == ["for all"]
    assert views_of(developer) == []
    assert "for all" in text(signed_in(auditor).get("/keys/"))
    for path in ("/keys/", "/keys/views"):
        assert "for all" not in text(signed_in(developer).get(path))
    for persona, may_share in ((auditor, True), (developer, False)):
        form = text(signed_in(persona).get(f"/keys/views-new?{QUERY}"))
        assert ('name="is_shared"' in form, "State: Disabled" in form) == (may_share, True)


def test_only_the_owner_deletes_a_view(admin, auditor, developer):
    save(admin)
    save(admin, "for all", is_shared="on")
    private, shared = (SavedFilter.objects.get(name=name) for name in ("stopped", "for all"))
    delete = saved_filters.delete_filter
    with pytest.raises(Denied, match="can delete this view"):
        delete(principal=auditor.principal, filter_id=shared.id, of=KEY_VIEWS)
    for persona, view in ((auditor, private), (developer, shared)):
        with pytest.raises(NotFound):
            delete(principal=persona.principal, filter_id=view.id, of=KEY_VIEWS)
    assert signed_in(auditor).post(f"/keys/views-delete/{shared.id}").status_code == 403
    signed_in(developer).post(f"/keys/views-delete/{private.id}")
    assert SavedFilter.objects.count() == 2


def test_a_caller_needs_the_permission_of_the_list(admin):
    save(admin)
    reader = SimpleNamespace(identity=admin.principal.identity, scope=_refuse, require=_refuse)
    with pytest.raises(Denied):
        saved_filters.find_filters(reader=reader, of=KEY_VIEWS)
    with pytest.raises(Denied):
        saved_filters.delete_filter(principal=reader, filter_id=SavedFilter.objects.get().id, of=KEY_VIEWS)
    with pytest.raises(Denied):
        saved_filters.save_filter(principal=reader, name="x", filters={"tag": "x"}, of=KEY_VIEWS)


def _refuse(word):
    if word == "keys.read":
        raise Denied(word)
    return "all"


def test_a_user_who_sees_some_keys_shares_no_view(developer):
    assert save(developer).status_code == 303
    assert "is_shared" not in text(signed_in(developer).get(f"/keys/views-new?{QUERY}"))
    with pytest.raises(Invalid) as refusal:
        saved_filters.save_filter(
            principal=developer.principal, name="for all", filters={"tag": "x"}, is_shared=True, of=KEY_VIEWS
        )
    assert list(refusal.value.fields) == ["is_shared"]


def test_views_of_keys_and_filters_of_the_log_are_apart(admin, monkeypatch):
    save(admin)
    kept = SavedFilter.objects.get()
    assert admin.api.get("/api/v1/audit/saved-filters").json["results"] == []
    assert "stopped" not in text(signed_in(admin).get("/audit/saved/"))
    assert admin.api.delete(f"/api/v1/audit/saved-filters/{kept.id}").status == 404
    monkeypatch.setattr(saved_filters, "MOST_FILTERS", 1)
    same = {"name": "stopped", "filters": {"outcome": "denied"}}
    assert admin.api.post("/api/v1/audit/saved-filters", same).status == 201
    assert views_of(admin) == ["stopped"]


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        (QUERY, "stopped", "You already have a view with this name."),
        (QUERY, "", "This field is required."),
        (QUERY, "x" * 101, "at most 100 characters"),
        ("status=melted", "new", "Add at least one filter."),
    ],
)
def test_a_form_with_a_fault_names_it(admin, query, name, words):
    save(admin)
    response = signed_in(admin).post(f"/keys/views-new?{query}", {"name": name})
    assert response.status_code == 422
    assert words in text(response)
    assert SavedFilter.objects.count() == 1


@pytest.mark.parametrize("filters", [{"status": "melted", "tag": "eu"}, ["altered"]])
def test_a_view_with_a_former_value_opens_with_a_notice(admin, filters):
    SavedFilter.objects.create(list_name="keys", name="old", owner=admin.user.id, filters=filters)
    browser = signed_in(admin)
    assert browser.get("/keys/").status_code == 200
    page = text(browser.get("/keys/views"))
    assert ("Ignored: State" in page) == isinstance(filters, dict)
    assert "unknown value: State" in text(browser.get("/keys/?status=melted&tag=eu"))


def test_the_list_shows_ten_views_and_the_page_all_of_them(admin, connection_queries, monkeypatch):
    monkeypatch.setattr(saved, "_LIMIT", 8)
    browser = signed_in(admin)
    costs = []
    for number in range(12):
        SavedFilter.objects.create(
            list_name="keys", name=f"view-{number:02}", owner=admin.user.id, filters={"tag": f"{number}"}
        )
        if number in {0, 11}:
            browser.get("/keys/views")
            with connection_queries() as statements:
                browser.get("/keys/views")
            costs.append(len(statements))
    assert costs[0] == costs[1] <= 12
    listed = text(browser.get("/keys/"))
    assert listed.count(">view-") == 10
    assert 'href="/keys/views"' in listed
    assert text(browser.get("/keys/views")).count('">view-') == 8
    assert text(browser.get("/keys/views?page=2")).count('">view-') == 4
