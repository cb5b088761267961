"""The page of all grants."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.users.services.editing import set_role
from kernel.clock import database_now
from keys import actions
from keys.models import KeyGrant
from tests.browsing import signed_in
from tests.factories import GrantFactory, KeyFactory, ServiceAccountFactory, store_grant
from tests.keys.test_pages_access import plain
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

PATH = "/grants/"
EVERYTHING = ["encrypt", "decrypt", "reencrypt", "data_key", "derive"]


@pytest.fixture
def browser(admin):
    return signed_in(admin)


@pytest.fixture
def key(admin):
    return KeyFactory(name="payments-db", tags=["prod"])


@pytest.fixture
def account(db):
    return ServiceAccountFactory(name="billing")


def listed(browser, **filters):
    """The holder, and the key or tag of each listed grant."""
    rows = browser.get(PATH, filters).context["rows"]
    return [(row.holder.name, row.grant.tag or row.grant.key.name) for row in rows]


def aged(grant, days=91):
    grant.created_at = database_now() - timedelta(days=days)
    grant.save_with_mac()
    return grant


def test_the_newest_grants_on_keys_and_tags_come_first(browser, account, developer, key):
    GrantFactory(key=key, to=account)
    GrantFactory(key=key, to=developer.user, networks=["192.0.2.0/24"])
    GrantFactory(tag="prod")
    everyone = ("Everyone with the role developer", "prod")
    assert listed(browser) == [everyone, ("dora", key.name), ("billing", key.name)]
    shown = browser.get(PATH)
    assert "Only from 192.0.2.0/24" in plain(shown)
    assert f'href="/keys/{key.name}/access/"' in shown.content.decode()


def test_filters_find_the_holder_the_key_and_the_tag(browser, account, developer, key):
    GrantFactory(key=key, to=account, expires_at=database_now() + timedelta(days=1))
    GrantFactory(key=KeyFactory(name="other"), to=developer.user)
    GrantFactory(tag="prod")
    for filters, found in (
        ({"search": "bill"}, ["billing"]),
        ({"search": "DOR"}, ["dora"]),
        ({"search": "payments"}, ["billing"]),
        ({"search": "prod"}, ["Everyone with the role developer"]),
        ({"search": "nothing"}, []),
        ({"holder": "user"}, ["dora"]),
        ({"holder": "service_account"}, ["billing"]),
        ({"holder": "role"}, ["Everyone with the role developer"]),
        ({"expiry": "never"}, ["Everyone with the role developer", "dora"]),
        ({"expiry": "never", "holder": "user"}, ["dora"]),
    ):
        assert [holder for holder, _ in listed(browser, **filters)] == found, filters


def test_a_broad_grant_is_on_a_tag_to_a_role_or_for_all_operations(browser, account, developer, key):
    GrantFactory(key=key, to=account, operations=EVERYTHING[1:])
    GrantFactory(key=KeyFactory(name="agreement", algorithm="x25519"), to=account, operations=["agree"])
    GrantFactory(key=key, to=developer.user, operations=EVERYTHING)
    pair = KeyFactory(name="pair", algorithm="rsa-3072", purpose="encrypt")
    GrantFactory(key=pair, to=developer.user, operations=EVERYTHING[:-1])
    GrantFactory(key=key)
    GrantFactory(tag="prod", to=account)
    assert listed(browser, reach="broad") == [
        ("billing", "prod"),
        ("Everyone with the role developer", key.name),
        ("dora", "pair"),
        ("dora", key.name),
    ]


def test_an_unused_grant_is_older_and_its_holder_has_not_used_the_key(
    browser, admin, account, developer, key, use
):
    other = KeyFactory(name="other", tags=["prod"])
    for place in ({"key": key}, {"key": other}, {"tag": "prod"}, {"tag": "none"}):
        aged(GrantFactory(to=account, **place))
    aged(GrantFactory(key=key))
    aged(GrantFactory(key=key, to=developer.user), days=89)
    use(key, admin)  # not by the holder
    use(other, None, principal=str(account.id), ago=timedelta(days=89))
    assert set(listed(browser, use="unused")) == {("billing", key.name), ("billing", "none")}
    assert "for a role, no one did" in plain(browser.get(PATH, {"use": "unused"}))


def test_a_holder_who_has_lost_the_role_is_marked(browser, admin, developer, key):
    GrantFactory(key=key, to=developer.user)
    set_role(principal=admin.principal, user_id=developer.user.id, role="operator", reason="moved")
    assert "The role operator cannot encrypt." in plain(browser.get(PATH))


def test_the_list_continues_after_fifty(browser, account, key):
    now = database_now()
    for number in range(51):
        place = {"principal_type": "service_account", "principal_id": str(account.id), "tag": f"t-{number}"}
        store_grant(**place)
    KeyGrant.objects.update(created_at=now)  # the IDs decide
    first = browser.get(PATH)
    assert len(first.context["rows"]) == 50
    rest = browser.get(PATH, {"after": first.context["next_after"]})
    tags = {row.grant.tag for page in (first, rest) for row in page.context["rows"]}
    assert (len(tags), rest.context["next_after"]) == (51, None)
    assert browser.get(PATH, {"after": "no id"}).status_code == 200


@pytest.mark.parametrize("where", ["key", "tag"])
def test_a_grant_is_removed_with_a_reason(browser, key, where):
    given = GrantFactory(key=key) if where == "key" else GrantFactory(tag="on-no-key")
    path = f"{PATH}{given.id}/remove"
    effect = "24 hours" if where == "key" else "every key with the tag on-no-key"
    assert effect in plain(browser.get(path))
    assert browser.post(path, {"reason": ""}).status_code == 422
    assert browser.post(path, {"reason": "review"})["Location"] == PATH
    assert not KeyGrant.objects.exists()
    assert json.loads(log_rows().get(action=actions.GRANT_REMOVED).meta)["reason"] == "review"
    assert browser.get(path).status_code == 404


def test_an_auditor_sees_the_grants_and_no_control(auditor, key):
    given = GrantFactory(key=key)
    browser = signed_in(auditor)
    assert len(listed(browser)) == 1
    assert "Remove" not in plain(browser.get(PATH))
    assert browser.get(f"{PATH}{given.id}/remove").status_code == 403


def test_the_page_costs_the_same_statements_however_many_grants_there_are(browser, account, developer, key):
    def cost():
        query = {"search": "p", "reach": "broad", "expiry": "never", "use": "unused"}
        browser.get(PATH, query)
        with CaptureQueriesContext(connection) as statements:
            browser.get(PATH, query)
        return len([each for each in statements if "SAVEPOINT" not in each["sql"]])

    before = cost()
    for number in range(3):
        aged(GrantFactory(tag=f"p-{number}", to=account))
        aged(GrantFactory(tag=f"p-{number}", to=developer.user))
    assert before <= cost() <= 12


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("http://testserver/grants/?search=billing", "/grants/?search=billing"),
        ("http://testserver/keys/?search=billing", "/grants/"),
    ],
)
def test_the_list_keeps_its_filters_after_a_removal(browser, account, key, shown, expected):
    grant = GrantFactory(key=key, to=account)
    headers = {"HX-Request": "true", "HX-Target": "dialog-body", "HX-Current-URL": shown}
    done = browser.post(f"{PATH}{grant.id}/remove", {"reason": "left"}, headers=headers)
    assert json.loads(done["HX-Location"])["path"] == expected
