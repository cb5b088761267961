"""The pages of service accounts and tokens."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import actions
from accounts.models import ServiceAccount, ServiceToken, User
from accounts.roles import ROLES
from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services import tokens as service_tokens
from accounts.users.services.invitations import invite_user
from audit.models import TokenLastUse
from console.tokens.forms import TokenForm
from kernel.clock import database_now
from tests.browsing import form_of, signed_in
from tests.factories import GrantFactory, KeyFactory, ServiceAccountFactory, TokenFactory
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db

FORM = {"name": "app-3", "scopes": ["crypto.encrypt"], "keys": "", "lifetime": "90", "networks": ""}


def text(response):
    return unescape(response.content.decode())


def plain(response):
    """The text without markup."""
    return " ".join(re.sub("<[^>]+>", " ", text(response)).split())


@pytest.fixture
def browser(admin):
    return signed_in(admin)


@pytest.fixture
def account(db):
    return ServiceAccountFactory(name="billing")


@pytest.fixture
def key(admin):
    return KeyFactory(name="payments-db", algorithm="chacha20")


def test_the_form_offers_each_scope_of_the_role_once():
    groups = TokenForm(rights=ROLES["developer"], key_names=()).fields["scopes"].choices
    offered = [scope for _, scopes in groups for scope, _ in scopes]
    assert sorted(offered) == sorted(service_tokens.scopes_for(ROLES["developer"]))


def page_of(account):
    return f"/service-accounts/{account.id}/"


def new_token(persona, **facts):
    return TokenFactory(principal=persona.principal, **facts).token


def statements_of(browser, path):
    with CaptureQueriesContext(connection) as statements:
        assert browser.get(path).status_code == 200, path
    return len([each for each in statements if "SAVEPOINT" not in each["sql"]])


def test_a_new_token_is_shown_once_with_a_command_for_a_key_of_its_owner(browser, admin, account, key):
    path = page_of(account) + "tokens/new"
    number = form_of(browser.get(path))["form-number"]
    without_key = browser.post(path, FORM | {"form-number": number})
    assert "replace KEY-NAME with its name" in plain(without_key)
    GrantFactory(key=key, to=account)
    shown = browser.post(path, FORM | {"form-number": form_of(browser.get(path))["form-number"]})
    [token] = set(re.findall("cct_[0-9a-f]{72}", text(shown)))
    assert f"export CIPHERCANARY_TOKEN={token}" in text(shown)
    assert '{"key_id": "name:payments-db", "algorithm": "chacha20-poly1305"' in text(shown)
    assert token not in text(browser.get(page_of(account)))


def test_a_new_token_for_a_key_without_a_grant_has_a_warning(browser, account, key):
    path, sent = page_of(account) + "tokens/new", FORM | {"keys": key.name}
    warning = "billing has no grant on payments-db, so the token does not work with this key yet."
    assert warning in plain(browser.post(path, sent)).replace(" ,", ",")
    GrantFactory(key=key, to=account)
    assert "has no grant" not in plain(browser.post(path, sent))


def test_the_same_form_creates_no_second_secret(browser, admin, account):
    invited = invite_user(principal=admin.principal, username="invited", role="auditor").user
    for path, form, rows in (
        (page_of(account) + "tokens/new", FORM, ServiceToken.objects),
        ("/service-accounts/new", {"name": "another", "role": "developer"}, ServiceAccount.objects),
        ("/users/new", {"username": "nora", "email": "", "role": "developer"}, User.objects),
        (f"/users/{invited.id}/invitation", {}, log_rows().filter(action=actions.INVITATION_ISSUED)),
    ):
        sent = form | {"form-number": form_of(browser.get(path))["form-number"]}
        assert browser.post(path, sent).status_code == 200
        count = rows.count()
        again = browser.post(path, sent)
        assert (again.status_code, rows.count()) == (303, count)
        assert "It is shown only once." in plain(browser.get(again["Location"]))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("scopes", {"scopes": []}),
        ("keys", {"keys": ["payments-db", "unknown"]}),
        ("expires_at", {"lifetime": "custom", "expires_at": ""}),
        ("networks", {"networks": "192.0.2.1/24"}),
    ],
)
def test_bad_input_is_reported_at_its_field(browser, key, field, changes):
    refused = browser.post("/account/tokens/new", FORM | changes)
    assert (refused.status_code, list(refused.context["form"].errors)) == (422, [field])


def test_a_list_shows_the_use_the_keys_and_recently_ended_tokens(browser, admin, developer, key):
    now = database_now()
    used = new_token(admin, name="in use", key_ids=[key.id], networks=["192.0.2.0/24"])
    TokenLastUse.objects.create(token_id=str(used.id), last_at=now, client_ip="192.0.2.7")
    revoked = new_token(admin, name="was revoked")
    service_tokens.revoke_token(principal=admin.principal, token_id=revoked.id)
    new_token(developer, name="of dora")
    shown = plain(browser.get("/account/tokens/"))
    for words in (
        "in use Only from 192.0.2.0/24 Active",
        "from 192.0.2.7",
        "payments-db",
        "was revoked Revoked",
    ):
        assert words in shown
    assert "of dora" not in shown
    assert "of dora" in plain(browser.get(f"/users/{developer.user.id}/"))
    ServiceToken.objects.filter(pk=revoked.pk).update(revoked_at=now - timedelta(days=31))
    ServiceToken.objects.filter(pk=used.pk).update(scopes=["crypto.decrypt"])
    shown = plain(browser.get("/account/tokens/"))
    assert "was revoked" not in shown
    assert "Altered" in shown


def test_a_name_of_a_key_that_the_owner_cannot_see_is_hidden(admin, developer, key):
    token = new_token(developer, key_ids=[key.id])
    browser = signed_in(developer)
    for path in ("/account/tokens/", f"/tokens/{token.id}/revoke"):
        assert key.name not in text(browser.get(path))
    assert "1 that you cannot see" in plain(browser.get("/account/tokens/"))


REASON = {"reason": "left the company"}
CHANGES = {
    "disable": (REASON, "billing disabled.", {"is_active": False}),
    "enable": ({}, "billing enabled.", {"is_active": True}),
    "role": (REASON | {"role": "operator"}, "billing has the role operator now.", {"role": "operator"}),
}


@pytest.mark.parametrize("slug", CHANGES)
def test_a_change_is_confirmed_performed_and_recorded(browser, admin, account, slug):
    given, message, expected = CHANGES[slug]
    if slug == "enable":
        service_accounts.update_service_account(
            principal=admin.principal, account_id=account.id, changes={"is_active": False}
        )
    path = page_of(account) + slug
    assert browser.get(path).status_code == 200
    if given:
        assert browser.post(path, given | {"reason": ""}).status_code == 422
    done = browser.post(path, given)
    assert done.status_code == 303
    assert message in plain(browser.get(done["Location"]))
    account.refresh_from_db()
    assert expected.items() <= vars(account).items()
    entry = log_rows().filter(action=actions.SERVICE_ACCOUNT_CHANGED).latest("id")
    assert json.loads(entry.meta).get("reason", "") == given.get("reason", "")


def test_a_token_is_revoked_with_a_reason_on_the_page_of_its_owner(browser, admin, account):
    token = new_token(admin, account_id=account.id)
    path = f"/tokens/{token.id}/revoke"
    assert "billing" in plain(browser.get(path))
    assert browser.post(path, {}).status_code == 422
    assert browser.post(path, REASON)["Location"] == page_of(account)
    token.refresh_from_db()
    assert token.revoked_at is not None
    entry = log_rows().get(action=actions.SERVICE_TOKEN_REVOKED)
    assert json.loads(entry.meta)["reason"] == REASON["reason"]
    assert "already ended" in plain(browser.get(path))


def test_the_list_of_accounts_continues_after_fifty(browser, admin):
    for number in range(51):
        account = ServiceAccount(name=f"app-{number:02}", role="developer", created_at=database_now())
        account.save_with_mac()
    first = browser.get("/service-accounts/")
    assert (len(first.context["accounts"]), first.context["next_after"]) == (50, "app-49")
    more = browser.get("/service-accounts/?after=app-49")
    assert [each.name for each in more.context["accounts"]] == ["app-50"]


def test_an_auditor_sees_accounts_without_tokens_or_controls(auditor, admin, account):
    new_token(admin, account_id=account.id)
    browser = signed_in(auditor)
    assert "billing" in plain(browser.get("/service-accounts/"))
    shown = plain(browser.get(page_of(account)))
    for word in ("nightly", "Create token", "Disable", "Change role", "Rotate"):
        assert word not in shown


def test_a_page_costs_at_most_twelve_queries(browser, admin, account, key):
    for _ in range(3):
        token = new_token(admin, account_id=account.id, key_ids=[key.id])
        new_token(admin, key_ids=[key.id])
    browser.get("/account/tokens/")  # once in a process, the MACs of shown names are checked
    slugs = ("", "role", "disable", "enable", "secret", "tokens/new")
    for path in (
        "/account/tokens/",
        "/account/tokens/new",
        "/service-accounts/",
        *(page_of(account) + slug for slug in slugs),
        *(f"/tokens/{token.id}/{slug}" for slug in ("revoke", "rotate")),
        f"/users/{admin.user.id}/",
    ):
        assert statements_of(browser, path) <= 12, path
