"""The columns of the list of keys that a user chooses."""

import re
from datetime import timedelta

import pytest

from audit.sequencing.catching_up import catch_up
from kernel.clock import database_now
from keys.models import Key
from tests.browsing import signed_in, text
from tests.factories import PolicyFactory, ServiceAccountFactory
from tests.personas import make_persona

pytestmark = pytest.mark.django_db
WORDS = [
    "state",
    "algorithm",
    "version",
    "next_rotation",
    "last_used",
    "created",
    "owner",
    "policy",
    "expires",
]
USUAL = ["State", "Algorithm", "Version", "Next rotation", "Last used", "Created"]
DIALOG = {"HX-Request": "true", "HX-Target": "dialog-body", "HX-Current-URL": "http://testserver/keys/"}


def headers(response):
    head = text(response).split("<thead>")[1].split("</thead>")[0]
    return re.findall(r"<th[^>]*>(?:<a[^>]*>)?([^<]*)", head)[1:]


def cells(response):
    return [re.findall(r'data-label="([^"]+)"', row) for row in text(response).split('<th scope="row">')[1:]]


def choose(browser, *words, **sent):
    return browser.post("/keys/columns", {"column": words, **sent})


def test_a_browser_keeps_the_chosen_columns(admin, new_key):
    new_key()
    browser = signed_in(admin)
    assert headers(browser.get("/keys/")) == USUAL
    response = choose(browser, "expires", "state", "material", next="/keys/?search=key&ordering=-name")
    assert (response.status_code, response["Location"]) == (303, "/keys/?search=key&ordering=-name")
    kept = response.cookies["key_columns"]
    assert kept.value == "name.state.expires"
    assert (kept["httponly"], kept["samesite"], kept["max-age"]) == (True, "Lax", 365 * 24 * 3600)
    page = browser.get("/keys/")
    assert headers(page) == ["State", "Expires"]
    assert cells(page) == [["State", "Expires"]]
    rows = browser.get("/keys/", headers={"HX-Request": "true", "HX-Target": "more-keys"})
    assert cells(rows) == [["State", "Expires"]]
    made = browser.post("/keys/new", {"name": "fresh", "algorithm": "aes-256"}, headers=DIALOG)
    assert cells(made) == [["State", "Expires"]]
    choose(browser)
    assert headers(browser.get("/keys/")) == []
    browser.cookies["key_columns"] = "no.such"
    assert headers(browser.get("/keys/")) == USUAL


def test_the_columns_name_the_owner_the_policy_and_the_expiry(admin, new_key):
    expiry = database_now() + timedelta(days=40)
    key = new_key(expires_at=expiry)
    browser = signed_in(admin)
    choose(browser, "owner", "policy", "expires")
    page = text(browser.get("/keys/"))
    assert f'<td data-label="Owner">{key.created_by.username}</td>' in page
    assert '<td data-label="Policy">None</td>' in page
    assert f">{expiry:%Y-%m-%d}</time>" in page


def test_a_hidden_column_costs_no_statement_and_a_shown_one_at_most_one(admin, new_key, connection_queries):
    for _ in range(3):
        Key.objects.filter(pk=new_key().id).update(
            created_by=None, service_account_id=ServiceAccountFactory().id
        )
    for number in range(3):  # of several users, and with several policies
        owned = {
            "created_by": make_persona(f"owner-{number}", "developer").user,
            "policy": PolicyFactory(name=f"policy-{number}"),
        }
        Key.objects.filter(pk=new_key().id).update(**owned)
    catch_up()
    browser = signed_in(admin)
    browser.get("/keys/")  # each process looks once for a gap in the record of uses

    def cost(*words):
        choose(browser, *words)
        with connection_queries() as statements:
            browser.get("/keys/")
        return len(statements)

    least = cost()
    assert {word: cost(word) - least for word in WORDS} == dict.fromkeys(WORDS, 0) | {
        "last_used": 1,
        "owner": 1,
    }
