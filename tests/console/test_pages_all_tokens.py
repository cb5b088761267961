"""The page of all service tokens."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ServiceToken, User
from accounts.roles import ROLES
from accounts.service_accounts.services import tokens as service_tokens
from accounts.service_accounts.services.tokens import scopes_for
from audit.models import TokenLastUse
from kernel.clock import database_now
from tests.browsing import signed_in
from tests.console.test_pages_tokens import new_token, plain
from tests.factories import KeyFactory, ServiceAccountFactory, TokenFactory

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

PATH = "/tokens/"


@pytest.fixture
def browser(admin):
    return signed_in(admin)


@pytest.fixture
def account(db):
    return ServiceAccountFactory(name="billing")


def listed(browser, **filters):
    return [each.token.name for each in browser.get(PATH, filters).context["tokens"]]


def aged(token, days=91):
    created_at = database_now() - timedelta(days=days)
    token.created_at, token.expires_at = created_at, created_at + timedelta(days=365)
    token.save_with_mac()
    return token


def test_tokens_of_all_owners_are_listed_with_owner_limits_and_last_use(browser, admin, developer, account):
    key = KeyFactory(name="payments-db")
    new_token(developer, name="of dora", networks=["192.0.2.0/24"])
    limited = new_token(admin, name="of billing", account_id=account.id, key_ids=[key.id])
    TokenLastUse.objects.create(token_id=str(limited.id), last_at=database_now(), client_ip="192.0.2.7")
    issued = new_token(admin, name="by OAuth", account_id=account.id)
    issued.is_issued = True
    issued.save_with_mac()
    assert listed(browser) == ["of billing", "of dora"]
    shown = plain(browser.get(PATH))
    for words in (
        "of billing billing Service account Active encrypt payments-db",
        "from 192.0.2.7",
        "Only from 192.0.2.0/24",
    ):
        assert words in shown


def test_filters_find_tokens_by_name_state_lifetime_and_use(browser, admin, developer):
    now = database_now()
    used, unused = (aged(new_token(admin, name=name)) for name in ("used", "unused"))
    for token, days in ((used, 89), (unused, 90)):
        TokenLastUse.objects.create(token_id=str(token.id), last_at=now - timedelta(days=days))
    aged(new_token(admin, name="recent"), days=89)
    new_token(admin, name="usual", expires_at=now + timedelta(days=90))
    revoked = new_token(admin, name="revoked")
    service_tokens.revoke_token(principal=admin.principal, token_id=revoked.id)
    new_token(developer, name="of ended sessions")
    User.objects.filter(pk=developer.user.pk).update(subject_version=9)
    for filters, found in (
        ({"search": "USED"}, {"used", "unused"}),
        ({"state": "active"}, {"used", "unused", "recent", "usual"}),
        ({"lifetime": "long"}, {"used", "unused", "recent"}),
        ({"use": "unused"}, {"unused"}),
        ({"use": "unused", "search": "recent"}, set()),
    ):
        assert set(listed(browser, **filters)) == found, filters


def test_a_broad_token_has_no_limit_to_keys_or_all_operations_of_the_role(browser, admin, account):
    key = KeyFactory()
    for name, facts in {
        "all keys": {},
        "some keys": {"key_ids": [key.id]},
        "no keys": {"scopes": ["users.read"]},
        "everything": {"scopes": sorted(scopes_for(ROLES["admin"]))},
    }.items():
        new_token(admin, name=name, **facts)
    new_token(
        admin,
        name="of the role",
        account_id=ServiceAccountFactory(role="auditor").id,
        scopes=sorted(scopes_for(ROLES["auditor"])),
    )
    assert set(listed(browser, reach="broad")) == {"all keys", "everything", "of the role"}


def test_the_list_continues_after_fifty(browser, account):
    now = database_now()
    for number in range(51):
        token = ServiceToken(
            name=f"token-{number}",
            token_hash=f"{number:064}",
            service_account=account,
            scopes=["crypto.encrypt"],
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
        token.save_with_mac()
    first = browser.get(PATH)
    assert len(first.context["tokens"]) == 50
    rest = browser.get(PATH, {"after": first.context["next_after"]})
    names = {each.token.name for page in (first, rest) for each in page.context["tokens"]}
    assert (len(names), rest.context["next_after"]) == (51, None)
    assert browser.get(PATH, {"after": "no id"}).status_code == 200


def test_an_auditor_sees_all_tokens_and_no_control(auditor, admin, account):
    new_token(admin, account_id=account.id)
    browser = signed_in(auditor)
    assert listed(browser) == ["nightly"]
    assert "Revoke" not in plain(browser.get(PATH)).replace("Revoked", "")


def test_the_page_costs_the_same_statements_however_many_tokens_there_are(browser, admin, developer, account):
    def cost():
        query = {"search": "n", "state": "active", "reach": "broad", "lifetime": "long", "use": "unused"}
        browser.get(PATH, query)
        with CaptureQueriesContext(connection) as statements:
            browser.get(PATH, query)
        return len([each for each in statements if "SAVEPOINT" not in each["sql"]])

    before = cost()
    for _ in range(3):
        aged(new_token(developer))
        aged(new_token(admin, account_id=account.id))
    assert before <= cost() <= 12


def test_a_token_of_another_owner_is_revoked_from_the_list(browser, account):
    token = TokenFactory(account_id=account.id).token
    shown = "http://testserver/tokens/?use=unused"
    headers = {"HX-Request": "true", "HX-Target": "dialog-body", "HX-Current-URL": shown}
    done = browser.post(f"/tokens/{token.id}/revoke", {"reason": "unused"}, headers=headers)
    assert json.loads(done["HX-Location"])["path"] == "/tokens/?use=unused"
