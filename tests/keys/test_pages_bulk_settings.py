"""Disabling, policies, rotation periods and grants of the keys that were chosen in the list."""

import json
from datetime import timedelta

import pytest

from keys.changing import MAX_CHANGED
from keys.lifecycle import State
from keys.models import Key, KeyGrant
from keys.states import services as states
from tests.browsing import plain, signed_in
from tests.keys.test_pages_bulk import choose, chosen
from tests.keys.test_pages_operations import let_sign_in_grow_old

pytestmark = pytest.mark.django_db
DISABLE, POLICY, ROTATION, GRANT = (
    f"/keys/bulk-{slug}" for slug in ("disable", "policy", "rotation", "grant")
)


def state_of(key):
    return Key.objects.get(pk=key.pk).state


def test_keys_are_disabled_for_one_reason_and_each_has_its_entry(operator, new_key, events_of):
    keys = [new_key(name="a-key"), new_key(name="b-key")]
    browser = signed_in(operator)
    assert "Disable 2 keys" in plain(choose(browser, *keys, url=DISABLE))
    assert browser.post(DISABLE, {"chosen": chosen(*keys), "reason": ""}).status_code == 422
    response = browser.post(DISABLE, {"chosen": chosen(*keys), "reason": "incident 7"})
    assert response["Location"] == "/keys/"
    assert "2 keys disabled." in plain(browser.get("/keys/"))
    for key in keys:
        assert state_of(key) == State.SUSPENDED
        created, disabled = events_of(key)
        assert (created.action, disabled.action) == ("keys.key.created", "keys.key.disabled")
        assert json.loads(disabled.meta)["reason"] == "incident 7"


def test_the_result_names_each_key_that_did_not_change(operator, admin, new_key):
    first, second = new_key(name="a-key"), new_key(name="b-key")
    states.disable_key(principal=admin.principal, key_id=second.id, reason="test")
    order = {"chosen": chosen(first, second), "reason": "test"}
    page = plain(signed_in(operator).post(DISABLE, order))
    for words in ("1 key disabled.", "1 key did not change.", "b-keyNot changed. ", "a-keyChanged"):
        assert words in page


def test_keys_in_use_require_a_confirmation(operator, admin, new_key, use):
    used, unused = new_key(name="a-key"), new_key(name="b-key")
    use(used, admin, ago=timedelta(days=6))
    use(unused, admin, ago=timedelta(days=8))
    browser = signed_in(operator)
    assert "1 of these keys was used in the last 7 days." in plain(choose(browser, used, unused, url=DISABLE))
    order = {"chosen": chosen(used, unused), "reason": "test"}
    assert browser.post(DISABLE, order).status_code == 422
    assert state_of(used) == State.ACTIVE
    assert browser.post(DISABLE, order | {"anyway": "on"})["Location"] == "/keys/"


def test_more_keys_than_ten_require_their_number(operator, new_key):
    keys = [new_key() for _ in range(11)]
    browser = signed_in(operator)
    assert "Type 11 to confirm." in plain(choose(browser, *keys, url=DISABLE))
    order = {"chosen": chosen(*keys), "reason": "test"}
    response = browser.post(DISABLE, order | {"count": "10"})
    assert response.status_code == 422
    assert "Type 11." in plain(response)
    assert browser.post(DISABLE, order | {"count": "11"})["Location"] == "/keys/"


def test_one_request_changes_a_hundred_keys_at_most(admin, key, monkeypatch):
    assert MAX_CHANGED == 100
    monkeypatch.setattr("keys.changing.MAX_CHANGED", 0)
    monkeypatch.setattr("keys.pages.views.bulk._BulkView.most", 0)
    browser = signed_in(admin)
    assert "at most 0 keys" in plain(choose(browser, key, url=DISABLE))
    assert browser.post(DISABLE, {"chosen": chosen(key), "reason": "test"}).status_code == 422
    assert state_of(key) == State.ACTIVE


def test_a_policy_is_set_for_the_keys_that_it_allows(admin, new_key, new_policy):
    policy = new_policy(algorithm="aes-256")
    first, second = new_key(name="a-key"), new_key(name="b-key", algorithm="chacha20")
    browser = signed_in(admin)
    assert policy.name in plain(choose(browser, first, second, url=POLICY))
    assert browser.post(POLICY, {"chosen": chosen(first), "policy_id": ""}).status_code == 422
    page = plain(browser.post(POLICY, {"chosen": chosen(first, second), "policy_id": str(policy.id)}))
    assert "Policy of 1 key set." in page
    assert "b-keyNot changed. " in page
    assert [Key.objects.get(pk=key.pk).policy_id for key in (first, second)] == [policy.id, None]
    again = plain(browser.post(POLICY, {"chosen": chosen(first), "policy_id": str(policy.id)}))
    assert "It already has this policy." in again


def test_a_policy_requires_a_recent_sign_in(admin, key, new_policy):
    browser = signed_in(admin)
    let_sign_in_grow_old(browser)
    response = browser.post(POLICY, {"chosen": chosen(key), "policy_id": str(new_policy().id)})
    assert response["Location"].startswith("/reauth/")
    assert Key.objects.get(pk=key.pk).policy_id is None


def test_the_rotation_period_is_set_or_left_to_the_policy(admin, new_key):
    plain_key, lookup = new_key(name="a-key"), new_key(name="b-key", algorithm="aes-256-siv")
    browser = signed_in(admin)
    order = {"chosen": chosen(plain_key, lookup), "rule": "period", "rotation_period_days": ""}
    assert browser.post(ROTATION, order).status_code == 422
    page = plain(browser.post(ROTATION, order | {"rotation_period_days": "30"}))
    assert "Rotation period of 1 key set." in page
    assert "b-keyNot changed. Keys of type aes-256-siv do not rotate automatically." in page
    row = Key.objects.get(pk=plain_key.pk)
    assert row.rotation_period_days == 30
    assert row.next_rotation_at is not None
    order = {"chosen": chosen(plain_key), "rule": "policy", "rotation_period_days": "30"}
    assert browser.post(ROTATION, order)["Location"] == "/keys/"
    assert Key.objects.get(pk=plain_key.pk).rotation_period_days is None


def test_one_holder_gets_a_grant_on_each_key(admin, developer, new_key):
    cipher, signer = new_key(name="a-key"), new_key(name="b-key", algorithm="ed25519", purpose="sign")
    browser = signed_in(admin)
    assert developer.user.username in plain(choose(browser, cipher, signer, url=GRANT))
    order = {
        "chosen": chosen(cipher, signer),
        "holder": f"user:{developer.user.id}",
        "operations": ["encrypt", "decrypt", "sign"],
    }
    assert browser.post(GRANT, order)["Location"] == "/keys/"
    granted = {grant.key_id: grant.operation_words for grant in KeyGrant.objects.all()}
    assert {key: sorted(words) for key, words in granted.items()} == {
        cipher.id: ["decrypt", "encrypt"],
        signer.id: ["sign"],
    }
    again = plain(browser.post(GRANT, order))
    assert "Access to 0 keys granted." in again
    assert "This grant already exists." in again


@pytest.mark.parametrize("url", [POLICY, ROTATION, GRANT])
def test_an_operator_changes_no_settings(operator, key, url):
    assert choose(signed_in(operator), key, url=url).status_code == 403
