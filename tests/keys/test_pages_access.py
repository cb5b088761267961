"""The Access page of a key: the rules about it, checking access, and grants."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest

from accounts.service_accounts.services import accounts as service_accounts
from accounts.tokens.access_tokens import authenticate_bearer
from accounts.users.services.editing import disable_user
from kernel.clock import database_now
from keys import actions
from keys.models import KeyGrant
from keys.rotation.services import rotating
from keys.states import services as states
from tests.audit.service_accounts import ORIGIN
from tests.browsing import signed_in
from tests.factories import GrantFactory, KeyFactory, ServiceAccountFactory, TokenFactory, store_grant
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return signed_in(admin)


@pytest.fixture
def account(db):
    return ServiceAccountFactory(name="billing")


@pytest.fixture
def key(new_key, developer):
    return new_key(principal=developer.principal, name="payments-db", tags=["prod"])


def plain(response):
    """The text without markup."""
    return " ".join(re.sub("<[^>]+>", " ", unescape(response.content.decode())).split())


def path_of(key):
    return f"/keys/{key.name}/access/"


def grant(key, principal_type, principal_id, *operations, **changes):
    holder = {"principal_type": principal_type, "principal_id": str(principal_id)}
    return GrantFactory(key=key, operations=operations, **holder, **changes)


def rows_of(response):
    """``[(holder, source, allowed operations, problem)]``."""
    return [
        (row.holder.name, row.source, [label for label, is_allowed in row.cells if is_allowed], row.problem)
        for row in response.context["rows"]
    ]


def test_each_rule_is_a_row_with_what_it_allows_now(browser, admin, developer, stranger, account, key):
    grant(key, "service_account", account.id, "encrypt")
    store_grant(key=key, principal_type="role", principal_id="auditor", operations=["decrypt"])
    ended = grant(key, "user", developer.user.id, "decrypt")
    KeyGrant.objects.filter(pk=ended.pk).update(expires_at=database_now() - timedelta(days=1))
    grant(key, "user", stranger.user.id, "encrypt", networks=["192.0.2.0/24"])
    disable_user(principal=admin.principal, user_id=stranger.user.id)
    GrantFactory(tag="prod", operations=["decrypt"])
    shown = browser.get(path_of(key))
    everything = ["Encrypt", "Decrypt", "Re-encrypt", "Generate data keys", "Derive keys"]
    assert rows_of(shown) == [
        ("Everyone with the role admin", "Role", everything, ""),
        ("dora", "Owner", everything, ""),
        ("billing", "Grant on this key", ["Encrypt"], ""),
        ("Everyone with the role auditor", "Grant on this key", [], "The role auditor cannot decrypt."),
        ("dora", "Grant on this key", [], "This grant was altered outside the application."),
        (stranger.user.username, "Grant on this key", [], "Disabled: no rule applies."),
        ("Everyone with the role developer", "Grant on the tag prod", ["Decrypt"], ""),
    ]
    assert "Only from 192.0.2.0/24" in plain(shown)


def test_a_key_of_the_system_belongs_to_administrators_only(browser, admin, system_key):
    (row,) = rows_of(browser.get(path_of(system_key)))
    assert row[:2] == ("Everyone with the role admin", "Role")
    shown = admin.api.get(f"/api/v1/keys/{system_key.id}").json
    assert (shown["owner_type"], shown["owner_id"]) == ("system", None)


@pytest.fixture
def system_key(new_key, key):
    made = new_key(name="no-owner")
    made.created_by_id = None
    made.save_with_mac()
    return made


def test_the_check_states_the_rule_in_words_and_its_id(
    browser, admin, developer, operator, stranger, account, key, settings
):
    given = grant(key, "service_account", account.id, "encrypt", networks=["192.0.2.0/24"])

    def check(holder_id, operation="encrypt", client_ip=""):
        query = {"principal": str(holder_id), "operation": operation, "client_ip": client_ip}
        return plain(browser.get(path_of(key), query))

    for shown, words in (
        (check(admin.user.id), "Allowed. The role admin may encrypt with every key. Rule: role:admin"),
        (check(developer.user.id), "Allowed. dora owns this key. Rule: owner"),
        (check(operator.user.id), "Denied. The role operator does not have the permission to encrypt."),
        (check(account.id, "encrypt", "192.0.2.9"), "Allowed. A grant on this key to billing allows it."),
        (check(account.id, "encrypt", "192.0.2.9"), f"Rule: grant:{given.id}"),
        (
            check(account.id),
            "Denied. billing does not own this key, and has no grant to encrypt with it now.",
        ),
        (check(stranger.user.id, "decrypt"), "Rule: no-grant"),
    ):
        assert words in shown
    disable_user(principal=admin.principal, user_id=stranger.user.id)
    grant(key, "user", stranger.user.id, "encrypt")
    assert f"{stranger.user.username} is disabled. Rule: disabled" in check(stranger.user.id)
    states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    assert "Denied. No one can encrypt with this key in its current state." in check(admin.user.id)
    assert "Denied" not in check("not an id")
    settings.CC_REQUIRE_SECOND_FACTOR = {"developer"}
    assert "dora must set up a second factor first. Rule: second_factor_required" in check(developer.user.id)
    problem = "The user must set up a second factor before any rule applies."
    assert ("dora", "Owner", [], problem) in rows_of(browser.get(path_of(key)))


def test_a_grant_is_added_and_removed_with_a_reason(browser, account, key, new_key):
    holder = f"service_account:{account.id}"
    assert list(browser.post(path_of(key), {}).context["form"].errors) == ["holder", "operations"]
    sent = {"holder": holder, "operations": ["encrypt"], "networks": "192.0.2.1/24"}
    assert list(browser.post(path_of(key), sent).context["form"].errors) == ["networks"]
    for scope, effect in (("", "0 operations"), ("tag:prod", "every key with the tag prod")):
        sent = {
            "holder": holder,
            "operations": ["encrypt"],
            "networks": "192.0.2.0/24, 10.0.0.0/8",
            "scope": scope,
            "reason": "new service",
        }
        assert browser.post(path_of(key), sent)["Location"] == path_of(key)
        given = KeyGrant.objects.get()
        created = log_rows().filter(action=actions.GRANT_CREATED).latest("id")
        assert json.loads(created.meta)["reason"] == "new service"
        assert (given.tag, given.networks) == (scope.removeprefix("tag:"), ["192.0.2.0/24", "10.0.0.0/8"])
        removal = f"{path_of(key)}{given.id}/remove"
        assert effect in plain(browser.get(removal))
        assert (
            browser.get(f"{path_of(new_key(name=f'other-{len(scope)}'))}{given.id}/remove").status_code == 404
        )
        assert browser.post(removal, {"reason": ""}).status_code == 422
        assert browser.post(removal, {"reason": "wrong team"})["Location"] == path_of(key)
        assert not KeyGrant.objects.exists()
        entry = log_rows().filter(action=actions.GRANT_REMOVED).latest("id")
        assert json.loads(entry.meta)["reason"] == "wrong team"
        assert browser.get(removal).status_code == 404


def test_a_grant_on_a_tag_needs_a_reason_and_one_on_a_key_does_not(browser, account, key):
    sent = {"holder": f"service_account:{account.id}", "operations": ["encrypt"]}
    refused = browser.post(path_of(key), sent | {"scope": "tag:prod"})
    assert (refused.status_code, list(refused.context["form"].errors)) == (422, ["reason"])
    assert browser.post(path_of(key), sent).status_code == 303


def test_only_holders_whose_role_can_use_keys_are_offered(
    browser, developer, operator, auditor, account, key
):
    holders = {label for _, label in browser.get(path_of(key)).context["form"].fields["holder"].choices}
    assert {
        "dora (developer)",
        "billing (service account, developer)",
        "Everyone with the role admin",
    } < holders
    assert not [label for label in holders if "operator" in label or "auditor" in label]


def test_the_removal_counts_the_uses_of_its_holder_and_not_of_a_namesake(browser, admin, developer, key, use):
    use(key, developer, count=7)
    name = developer.user.username
    namesake = service_accounts.create_service_account(principal=admin.principal, name=name, role="developer")
    given = grant(key, "service_account", namesake.account.id, "encrypt")
    assert "0 operations" in plain(browser.get(f"{path_of(key)}{given.id}/remove"))
    theirs = grant(key, "user", developer.user.id, "encrypt")
    assert "7 operations" in plain(browser.get(f"{path_of(key)}{theirs.id}/remove"))


def test_only_more_grants_than_the_page_lists_are_cut_off(
    browser, admin, stranger, account, key, monkeypatch
):
    monkeypatch.setattr("keys.pages.views.access.LIMIT", 2)
    grant(key, "service_account", account.id, "encrypt")
    grant(key, "role", "developer", "encrypt")
    assert "are listed" not in plain(browser.get(path_of(key)))
    grant(key, "user", stranger.user.id, "encrypt")
    shown = browser.get(path_of(key))
    assert "Only the oldest 2 grants are listed." in plain(shown)
    assert stranger.user.username not in [holder for holder, *_ in rows_of(shown)]


def test_an_auditor_sees_the_rules_and_no_control(auditor, admin, account, key):
    given = grant(key, "service_account", account.id, "encrypt")
    browser = signed_in(auditor)
    shown = plain(browser.get(path_of(key)))
    assert "billing" in shown
    assert "Check access" in shown
    for word in ("Grant access", "Remove"):
        assert word not in shown
    assert browser.get(f"{path_of(key)}{given.id}/remove").status_code == 403


def test_pages_name_the_service_account_that_created_or_rotated_a_key(browser, admin, account):
    def caller(owner, *scopes):
        token = TokenFactory(scopes=scopes, account_id=owner.id)
        return authenticate_bearer(token.text, ORIGIN)

    rotator = ServiceAccountFactory(name="rotator", role="operator")
    key = KeyFactory(principal=caller(account, "keys.create", "keys.read"), name="of-billing")
    rotating.rotate_key(
        principal=caller(rotator, "keys.rotate", "keys.read"), key_id=key.id, reason="quarterly"
    )
    assert "Owner billing" in plain(browser.get(f"/keys/{key.name}/"))
    rows = browser.get(f"/keys/{key.name}/versions/").context["rows"]
    assert [made.made_by for made, *_ in rows] == ["rotator", "billing"]
    assert rows_of(browser.get(path_of(key)))[1][:2] == ("billing", "Owner")
