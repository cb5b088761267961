"""A form that is submitted after the session ended: its text survives the sign-in, and nothing is submitted again."""

from datetime import timedelta

import pytest
from django.template.loader import get_template
from django.test import Client
from django.urls import reverse

from accounts.sessions.browser_sessions import CONFIRMED_AT, PENDING
from accounts.users.operations import USER_OPERATIONS
from kernel.clock import database_now
from kernel.pages.drafts import DRAFT, LIMIT, PAGE_USER
from keys.models import Key
from keys.pages.operations import KEY_OPERATIONS
from keys.pages.version_operations import VERSION_OPERATIONS
from tests.accounts.test_totp import enrol
from tests.browsing import signed_in, text
from tests.endpoints import (
    SERVICE_ACCOUNT,
    SERVICE_TOKEN,
    make_alarm,
    make_log_target,
    make_target,
    make_webhook,
)
from tests.factories import GrantFactory, PolicyFactory
from tests.pages import page_routes
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

TYPED = {
    "description": "Cards & refunds",
    "tags": "pci, prod",
    "rotation_period_days": "30",
    "expires_at": "",
}
BEFORE = {f"initial-{name}": "" for name in ("description", "rotation_period_days", "expires_at")}
NOTICE = "what you typed before the sign-in"
NOTES = {"description", "tags"}
SETTINGS = NOTES | {"policy_id", "rotation_period_days", "expires_at", "deletion_protection"}
POLICY = {
    "allowed_modes",
    "key_lifetime_days",
    "every_days",
    "after_uses",
    "after_bytes",
    "grace_days",
    "reencrypt",
}
POLICY |= {"minimum_deletion_days", "exportable"}
WAIT = {"reason", "waiting_days"}
# The fields that each page keeps. Never passwords, codes, messages, or what users type or select as a confirmation.
KEPT = {
    "alarm-resolve": {"reason"},
    "user-new": {"username", "email", "role"},
    "audit-saved-new": {"name", "is_shared"},
    "keys-saved-new": {"name", "is_shared"},
    "key-new": {"name", "algorithm", "activates_at", "exportable"} | SETTINGS,
    "key-import": {"name", "algorithm", "format", "policy_id", "expires_at", "exportable"} | NOTES,
    "key-export": {"reason"},
    "policy-new": {"name", "algorithm"} | POLICY,
    "policy-edit": POLICY,
    "key-settings": SETTINGS,
    "key-notes": SETTINGS,
    "key-access-page": {"holder", "operations", "scope", "expires_at", "networks", "reason"},
    "key-grant-remove": {"reason"},
    "grant-remove": {"reason"},
    "service-account-new": {"name", "role", "description"},
    "service-account-role": {"role", "reason"},
    "service-account-disable": {"reason"},
    "token-revoke-page": {"reason"},
    "key-transfer": {"owner", "reason"},
    "user-transfer-keys": {"owner", "reason"},
    "reencryption-new": {"target_key_id", "total", "reason"},
    "key-succeed": {"name", "algorithm", "policy_id", "reason"},
    "keys-bulk": {"chosen", "reason"},
    "keys-bulk-tag": {"chosen", "change", "tag"},
    "keys-bulk-disable": {"chosen", "reason"},
    "keys-bulk-policy": {"chosen", "policy_id"},
    "keys-bulk-rotation": {"chosen", "rule", "rotation_period_days"},
    "keys-bulk-grant": {"chosen", "holder", "operations", "expires_at", "networks"},
    "webhook-new": {"name", "topics"},
    "webhook-edit": {"name", "topics", "is_active"},
}
KEPT |= {
    "log-target-new": {"name", "format", "style", "actions", "outcomes", "start"},
    "log-target-edit": {"name", "format", "style", "actions", "outcomes"},
    "log-target-position": {"position", "size"},
}
TOKEN = {"name", "scopes", "keys", "lifetime", "expires_at", "networks"}
KEPT |= {"application-connect": {"name", "keys", "tags", "operations", "lifetime", "expires_at", "reason"}}
KEPT |= {"account-token-new": TOKEN, "service-account-token-new": TOKEN}
KEPT |= {
    f"user-{slug}": {"reason"}
    for slug in USER_OPERATIONS.keys() - {"invitation", "unlock", "enable", "email"}
}
KEPT |= {"user-email": {"email"}, "user-role": {"role", "reason"}}
KEPT |= {f"key-{slug}": {"reason"} for slug in KEY_OPERATIONS}
KEPT |= {"key-rotate": {"reason", "expected_version"}, "key-schedule-deletion": WAIT}
KEPT |= {"key-disable": {"minutes", "reason"}}
KEPT |= {f"key-version-{slug}": {"reason"} for slug in VERSION_OPERATIONS}
KEPT |= {"key-version-schedule-destruction": WAIT}


def typed_by(persona, **fields):
    """The fields of a form on a page that this user opened."""
    return fields | {PAGE_USER: str(persona.user.id)}


def hidden(response):
    """The hidden inputs of the sign-in page that lead back to the form."""
    return {"next": response.context["next"], "draft": response.context["draft"]}


def sign_in(browser, persona, shown):
    return browser.post("/login/", {"username": persona.user.username, "password": PASSWORD, **hidden(shown)})


def test_the_text_is_in_the_form_again_and_is_saved_by_the_user_only(admin, key):
    browser, path = Client(), f"/keys/{key.name}/settings/"
    ended = browser.post(path, typed_by(admin, **TYPED, **BEFORE, password="typed by mistake"))
    assert ended.status_code == 200
    assert "Your session has ended" in text(ended)
    assert "typed by mistake" not in text(ended)
    response = sign_in(browser, admin, ended)
    assert (response.status_code, response["Location"]) == (303, path)
    filled = browser.get(path)
    assert NOTICE in text(filled)
    shown = filled.context["form"]
    assert shown["description"].value() == TYPED["description"]
    assert shown["rotation_period_days"].value() == TYPED["rotation_period_days"]
    assert BEFORE.items() <= shown.data.dict().items()
    assert not shown.errors
    assert Key.objects.get(pk=key.pk).description == ""
    assert NOTICE not in text(browser.get(path))  # it is shown once
    assert browser.post(path, TYPED | BEFORE).status_code == 303
    assert Key.objects.get(pk=key.pk).description == TYPED["description"]


def test_the_text_survives_a_wrong_password_and_the_second_factor(admin, key):
    authenticator, _ = enrol(admin)
    browser, path = Client(), f"/keys/{key.name}/settings/"
    ended = browser.post(path, typed_by(admin, **TYPED))
    wrong = browser.post("/login/", {"username": "nobody", "password": "x", **hidden(ended)})
    asked = sign_in(browser, admin, wrong)
    assert 'action="/login/code/"' in text(asked)
    refused = browser.post("/login/code/", {"code": authenticator.wrong_code(), **hidden(asked)})
    pending = browser.session
    pending[PENDING] = [*pending[PENDING][:2], (database_now() - timedelta(hours=1)).isoformat(), "aude"]
    pending.save()
    again = browser.post("/login/code/", {"code": authenticator.code(), **hidden(refused)})
    assert 'name="password"' in text(again)
    asked = sign_in(browser, admin, again)
    response = browser.post("/login/code/", {"code": authenticator.code(), **hidden(asked)})
    assert response["Location"] == path
    assert TYPED["description"].replace("&", "&amp;") in text(browser.get(path))


def test_the_reason_survives_a_confirmation_but_the_typed_name_does_not(admin, key):
    browser, path = signed_in(admin), f"/keys/{key.name}/revoke"
    confirm_later(browser, path, typed_by(admin, reason="lost laptop", name=key.name))
    browser.post("/reauth/", {"password": PASSWORD, "next": path})
    form = browser.get(path).context["form"]
    assert (form["reason"].value(), form["name"].value()) == ("lost laptop", None)


def confirm_later(browser, path, typed):
    """Submit the form after the last sign-in is no longer recent, and open the confirmation page."""
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(hours=1)).isoformat()
    session.save()
    confirmation = browser.post(path, typed)["Location"]
    assert confirmation.startswith("/reauth/")
    browser.get(confirmation)
    assert DRAFT in browser.session


def test_another_user_does_not_get_the_text(admin, operator, key):
    browser, path = Client(), f"/keys/{key.name}/disable"
    reason = "Suspect that ada leaks data"
    for owner, seen in ((operator, False), (admin, True)):
        sign_in(browser, admin, browser.post(path, typed_by(owner, reason=reason)))
        page = text(browser.get(path))
        assert (NOTICE in page, reason in page, DRAFT in browser.session) == (seen, seen, False)
        browser.post("/logout/")
    assert browser.post(path, {"reason": reason}).status_code == 302  # the form names no user


@pytest.mark.parametrize("other", ["/keys/", "/keys/{key}/settings/?description=forged&draft=forged"])
def test_a_draft_is_forgotten_at_any_other_page(other, admin, key):
    browser, path = Client(), f"/keys/{key.name}/settings/"
    sign_in(browser, admin, browser.post(path, typed_by(admin, **TYPED)))
    part = browser.get("/keys/new", headers={"HX-Request": "true", "HX-Target": "key-summary"})
    assert (part.status_code, DRAFT in browser.session) == (200, True)
    assert NOTICE not in text(browser.get(other.format(key=key.name)))
    assert DRAFT not in browser.session
    assert NOTICE not in text(browser.get(path))


def test_another_draft_replaces_the_one_that_waits(admin, key):
    browser, path = signed_in(admin), f"/keys/{key.name}/revoke"
    confirm_later(browser, path, typed_by(admin, reason="lost laptop"))
    browser.post(path, {"reason": "of an unknown user"})
    assert DRAFT not in browser.session


def test_each_form_that_is_kept_names_the_user_of_its_page():
    views = {route.view for route in page_routes() if route.view.draft_fields}
    sources = {view.template: get_template(view.template).template.source for view in views}
    assert [name for name, source in sources.items() if "partials/page_user.html" not in source] == []


def test_a_new_key_is_summarised_as_it_was_typed(admin):
    browser = Client()
    shown = browser.post("/keys/new", typed_by(admin, name="payments-db", algorithm="aes-128", tags="pci"))
    sign_in(browser, admin, shown)
    page = text(browser.get("/keys/new"))
    assert 'aes-128 key <span class="mono">payments-db</span>' in page
    assert "pci" in page


def test_without_text_to_keep_the_response_is_the_sign_in_and_its_way_back(admin, key):
    response = Client().post("/account/password/", typed_by(admin, current="secret-1", new="secret-2"))
    assert (response.status_code, response["Location"]) == (302, "/login/?next=%2Faccount%2Fpassword%2F")
    assert Client().post(reverse("session-extend"))["Location"] == "/login/"  # this URL has no page
    too_long = Client().post(f"/keys/{key.name}/settings/", typed_by(admin, description="x" * LIMIT))
    assert too_long.status_code == 302


def test_a_draft_in_the_url_is_ignored(admin, key):
    browser, path = Client(), f"/keys/{key.name}/settings/"
    assert browser.get(f"/login/?{DRAFT}=description%3Dforged").context["draft"] == ""
    browser.post(
        f"/login/?{DRAFT}=description%3Dforged", {"username": admin.user.username, "password": PASSWORD}
    )
    assert NOTICE not in text(browser.get(path))


def test_no_page_keeps_another_field():
    kept = {route.name: set(route.view.draft_fields) for route in page_routes() if route.view.draft_fields}
    assert kept == KEPT


def test_every_page_that_keeps_a_draft_shows_it(admin, key):
    browser, shown = signed_in(admin), {}
    PolicyFactory(name=key.name)
    grant = GrantFactory(key=key)
    parts = {
        "name": key.name,
        "version": 1,
        "alarm_id": make_alarm().id,
        "user_id": admin.user.id,
        "grant_id": grant.id,
        "account_id": make_target(admin, SERVICE_ACCOUNT).account_id,
        "token_id": make_target(admin, SERVICE_TOKEN).token_id,
        "webhook_id": make_webhook().id,
        "target_id": make_log_target().id,
    }
    for route in page_routes():
        if route.view.draft_fields:
            path = route.path.format(**parts)
            typed = typed_by(admin, **{name: f"my {name}" for name in route.view.draft_fields})
            session = browser.session
            session[DRAFT] = [path, Client().post(path, typed).context["draft"]]
            session.save()
            page = browser.get(path)
            shown[route.name] = NOTICE in text(page) and page.context["form"].data.dict() == typed
    assert shown == dict.fromkeys(KEPT, True)
