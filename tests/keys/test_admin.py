from datetime import timedelta

import pytest
from django.contrib import admin as site
from django.test import RequestFactory

from accounts.sessions.browser_sessions import CONFIRMED_AT
from kernel.clock import database_now
from keys.models import Key, KeyRotation, KeyVersion
from tests.browsing import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of(admin):
    request = RequestFactory().get("/admin/")
    request.user = admin.user
    return request


@pytest.mark.parametrize("model", [Key, KeyVersion, KeyRotation])
def test_an_admin_can_only_view_keys_in_the_admin_site(model, request_of):
    pages = site.site.get_model_admin(model)
    assert pages.has_view_permission(request_of)
    assert not pages.has_add_permission(request_of)
    assert not pages.has_change_permission(request_of)
    assert not pages.has_delete_permission(request_of)
    assert pages.get_actions(request_of) == {}


@pytest.mark.parametrize("model", [Key, KeyVersion, KeyRotation])
def test_no_page_shows_wrapped_bytes_or_macs(model, request_of):
    pages = site.site.get_model_admin(model)
    shown = set(pages.get_fields(request_of)) | set(pages.list_display) | set(pages.search_fields)
    assert not shown & {"wrapped", "row_mac", "searched_text"}


def test_the_list_shows_what_the_clock_says(key):
    assert site.site.get_model_admin(Key).status(key) == "active"


LIST = "/admin/keys/key/"


def order(key, **fields):
    return {"action": "rotate_selected", "_selected_action": [str(key.pk)], **fields}


def test_an_administrator_rotates_selected_keys_after_a_confirmation(admin, new_key, events_of):
    key = new_key(name="payments")
    browser = signed_in(admin)
    assert "Rotate selected keys" in browser.get(LIST).content.decode()
    asked = browser.post(LIST, order(key))
    assert "payments: will rotate to version 2" in asked.content.decode()
    assert Key.objects.get(pk=key.pk).primary_version == 1
    confirmed = order(key, chosen=f"{key.id}:1")
    assert "This field is required" in browser.post(LIST, confirmed).content.decode()
    done = browser.post(LIST, {**confirmed, "reason": "audit finding"}, follow=True)
    assert "1 key rotated." in done.content.decode()
    assert Key.objects.get(pk=key.pk).primary_version == 2
    event = events_of(key)[-1]
    assert (event.action, event.source, event.user_id) == ("keys.key.rotated", "admin", admin.user.id)


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_other_roles_see_no_rotation_and_cannot_request_it(request, new_key, role):
    key = new_key()
    browser = signed_in(request.getfixturevalue(role))
    assert "Rotate selected keys" not in browser.get(LIST).content.decode()
    answer = browser.post(LIST, order(key, chosen=f"{key.id}:1", reason="test"))
    assert answer.status_code in {200, 302}
    assert Key.objects.get(pk=key.pk).primary_version == 1


def test_it_needs_a_recent_sign_in(admin, new_key):
    key = new_key()
    browser = signed_in(admin)
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(minutes=11)).isoformat()
    session.save()
    answer = browser.post(LIST, order(key, chosen=f"{key.id}:1", reason="test"))
    assert answer["Location"].startswith("/reauth/?next=")
    assert Key.objects.get(pk=key.pk).primary_version == 1
