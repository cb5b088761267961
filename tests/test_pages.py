"""Every page: the roles that may open it, its headers, and the CSRF token of its form."""

from uuid import uuid4

import pytest
from django.apps import apps
from django.test import Client

from accounts.principals import Principal
from accounts.roles import PERMISSIONS
from accounts.users.link_codes import new_code
from accounts.users.services.invitations import invite_user
from accounts.users.services.password_resets import issue_password_reset
from audit.log.events import Source
from audit.sequencing.running import checkpoint_now
from audit.verification.jobs import request_verification
from console.key_encryption.rewraps import request_rewrap
from kernel.rules import Access
from keys.models import Selection
from keys.rotation.services.jobs import RotationRequest, request_rotation
from tests.architecture.test_rules import declared_actions
from tests.browsing import SWEPT_ROLES, signed_in
from tests.endpoints import (
    FINISHED_EXPORT,
    SERVICE_ACCOUNT,
    SERVICE_TOKEN,
    make_alarm,
    make_delivery,
    make_file,
    make_log_target,
    make_reencryption,
    make_target,
    make_user,
    make_webhook,
)
from tests.factories import GrantFactory, KeyFactory, PolicyFactory
from tests.log_entries import log_rows
from tests.pages import PAGES, STRANGERS, page_routes

ROUTES = {route.name: route for route in page_routes()}
# The log names a job by the words of the app that does it.
OF_A_TOKEN = ("token-revoke-page", "token-rotate-page")
OF_ACCOUNTS = {name for name in PAGES if name.startswith(("account-token", "token-", "service-account"))} | {
    "application-connect",
    "all-tokens",
}
OF_ANOTHER_APP = dict.fromkeys(("job", "job-cancel", "verification", "verification-cancel"), "audit")
OF_ANOTHER_APP |= (
    {"keys-columns": "accounts"}
    | dict.fromkeys(("keys-saved", "keys-saved-new", "keys-saved-delete"), "audit")
    | dict.fromkeys(("rotation-job", "rotation-job-cancel"), "keys")
    | dict.fromkeys(OF_ACCOUNTS, "accounts")
)
OF_ANOTHER_APP |= dict.fromkeys(
    ("reencryption-job", "reencryption-job-cancel", "file-job", "file-job-cancel"), "crypto_ops"
)
OF_A_PUBLIC_KEY = ("key-public-page", "key-public-file", "key-sign-file")
OF_A_FILE = {"file-upload": {400}, "file-content": {409}}  # without a file, and without a result
OVER = {"setup", "setup-link"}  # no longer available once there is an account
# Tables that a page view changes: the log, and the last use of the session.
GOES_ON = {"audit_logs", "audit_bundles", "audit_tiles", "audit_tree", "browser_sessions"}
SYSTEM = Principal.system("test", Source.COMMAND)


@pytest.fixture
def paths(transactional_db, developer):
    """The path of each page, with objects that every role may see."""
    # The policy has the name of the key, so that one value fits both.
    PolicyFactory(name="payments-db")
    key = KeyFactory(principal=developer.principal, name="payments-db")
    grant = GrantFactory(key=key)
    entry = log_rows().filter(user_id=developer.user.id).latest("id")
    job = make_target(developer, FINISHED_EXPORT).export_id
    invited = invite_user(principal=SYSTEM, username="ines", role="developer")
    wanted = RotationRequest(Selection.KEYS, chosen=[(key.id, 1)])
    rotation = request_rotation(principal=SYSTEM, request=wanted, reason="test")
    checkpoint_now()
    parts = {
        "name": "payments-db",
        "version": 1,
        "group": "keys",
        "endpoint": "keys_read",
        "log_id": entry.id,
        "code": new_code(),
        "export_id": job,
        "job_id": job,
        "rotation_job_id": rotation.id,
        "reencryption_id": make_reencryption(developer).id,
        "file_id": make_file(developer).id,
        "verification_id": request_verification(principal=SYSTEM).id,
        "rewrap_id": request_rewrap(principal=SYSTEM).id,
        "filter_id": uuid4(),
        "alarm_id": make_alarm().id,
        "account_id": make_target(developer, SERVICE_ACCOUNT).account_id,
        "token_id": make_target(developer, SERVICE_TOKEN).token_id,
        "grant_id": grant.id,
        "user_id": developer.user.id,
        "webhook_id": (webhook := make_webhook()).id,
        "delivery_id": make_delivery(webhook).id,
        "target_id": make_log_target().id,
        "link_code": invited.url.split("/")[-2],
    }
    KeyFactory(principal=developer.principal, name="releases", algorithm="ed25519")
    names = dict.fromkeys(OF_A_PUBLIC_KEY, "releases")
    found = {
        name: route.path.format(**parts | ({"name": names[name]} if name in names else {}))
        for name, route in ROUTES.items()
    }
    reset = issue_password_reset(principal=SYSTEM, user_id=make_user().id)
    return found | {
        "file-upload": found["file-upload"] + "?operation=decrypt",
        "password-reset": f"/password-reset/{reset.url.split('/')[-2]}/",
    }


def test_every_page_is_in_the_table():
    assert set(ROUTES) == set(PAGES)


def test_the_methods_of_a_page_are_those_with_a_rule():
    for name, route in ROUTES.items():
        expected = {method for method, who in (("GET", PAGES[name].get), ("POST", PAGES[name].post)) if who}
        written = {method for method in ("GET", "POST") if method.lower() in vars(route.view)}
        assert written <= set(route.rules) == expected, name
        assert all(hasattr(route.view, method.lower()) for method in expected), name


def test_every_rule_of_a_page_asks_for_words_that_are_known():
    for name, route in ROUTES.items():
        for rule in route.rules.values():
            assert isinstance(rule.permission, Access) or rule.permission in PERMISSIONS
            owner = OF_ANOTHER_APP.get(name, app_of(route.view))
            assert declared_actions()[str(rule.action)] == owner, name


def app_of(page):
    subject = getattr(page, "subject", None)
    return (subject.find if subject else page).__module__.split(".")[0]


@pytest.mark.sweep
@pytest.mark.parametrize(
    "role", [pytest.param(role, marks=[pytest.mark.smoke] * (role == "auditor")) for role in SWEPT_ROLES]
)
def test_each_role_opens_its_pages_and_no_other(role, request, paths):
    """26 and 27: with the headers of a page. Two visits change only the log, its numbers and the visitor's session."""
    persona = request.getfixturevalue(role)
    browser = signed_in(persona)
    own_token = make_target(persona, SERVICE_TOKEN).token_id
    paths |= {name: ROUTES[name].path.format(token_id=own_token) for name in OF_A_TOKEN}
    before = everything_kept()
    for name, path in paths.items():
        first, second = browser.get(path), browser.get(path)
        first.close()  # it may be a file
        second.close()
        page = PAGES[name]
        allowed = role in page.get or page.get == STRANGERS
        # A recent sign-in, a state or a pending sign-in may redirect; a missing permission may not.
        hidden = {404} if role == "user_manager" and "{" in ROUTES[name].path else set()
        expected = (
            {404}
            if name in OVER
            else {403, 405}
            if not page.get
            else {200, 302, 303} | hidden
            if allowed
            else {403}
        )
        assert {first.status_code, second.status_code} <= expected, name
        if page.get:
            assert_headers_of_a_page(first)
    assert everything_kept() == before
    for name, path in paths.items():
        page = PAGES[name]
        if page.post and name not in {"logout", *OVER}:
            response = browser.post(path, {})
            response.close()
            allowed = role in page.post or page.post == STRANGERS
            expected = OF_A_FILE.get(name, {200, 204, 302, 303, 422})
            assert response.status_code in (expected if allowed else {403}), name


def assert_headers_of_a_page(response):
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]


def everything_kept():
    """``{table: its rows}``, except those of the log and the sessions."""
    return {
        model._meta.db_table: sorted(map(repr, model._default_manager.values_list()))
        for model in apps.get_models()
        if model._meta.db_table not in GOES_ON
    }


def test_a_stranger_is_sent_to_the_sign_in_and_back(paths):
    browser = Client()
    for number, (name, path) in enumerate(paths.items()):
        if PAGES[name].get and PAGES[name].get != STRANGERS:
            # Two addresses: one would reach the limit of its requests.
            response = browser.get(path, REMOTE_ADDR=f"192.0.2.{number % 2}")
            assert response.status_code == 302
            assert response["Location"].startswith("/login/?next=%2F"), name


def test_nothing_is_changed_by_a_form_without_its_token(paths, admin):
    browser = signed_in(admin)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    for name, path in paths.items():
        if PAGES[name].post:
            response = strict.post(path, {"reason": "forged"})
            assert response.status_code == 403, name
            assert b"out of date" in response.content


def test_the_page_hides_operations_outside_the_role(paths, auditor):
    content = signed_in(auditor).get("/keys/payments-db/").content.decode()
    for word in ("Rotate", "Disable", "Revoke"):
        assert word not in content
