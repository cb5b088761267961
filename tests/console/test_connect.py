"""*Connect an application*: an account, its grants and a token in one form, all or nothing."""

import ast
import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.errors import NameTaken
from accounts.models import ServiceAccount, ServiceToken
from console.service_accounts.services import ApplicationRequest, connect_application
from kernel.clock import database_now
from kernel.errors import Denied, Invalid, RecentAuthRequired
from keys.models import KeyGrant
from tests.browsing import form_of, signed_in, text
from tests.factories import KeyFactory, ServiceAccountFactory
from tests.log_entries import log_rows
from tests.personas import ApiClient, b64

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/service-accounts/connect"
FORM = {"name": "billing", "keys": "payments-db", "operations": ["encrypt", "decrypt"], "lifetime": "90"}
ACTIONS = [
    "accounts.service_account.created",
    "keys.grant.created",
    "keys.grant.created",
    "accounts.service_token.created",
]


@pytest.fixture
def keys(admin):
    return [KeyFactory(name="payments-db", tags=["eu"]), KeyFactory(name="releases", algorithm="ed25519")]


def asked(**changes):
    expires_at = database_now() + timedelta(days=90)
    facts = {"name": "billing", "operations": ["encrypt"], "keys": ["payments-db"], "expires_at": expires_at}
    return ApplicationRequest(**facts | changes)


def encrypt(token, reference):
    body = {"key_id": reference, "algorithm": "aes-256-gcm", "data": b64(b"hello")}
    return ApiClient(token=token).post("/api/v1/encrypt", body)


def submit(browser, **changes):
    return browser.post(PATH, FORM | {"form-number": form_of(browser.get(PATH))["form-number"]} | changes)


def token_in(response):
    [token] = set(re.findall("cct_[0-9a-f]{72}", text(response)))
    return token


@pytest.mark.sqlite
def test_the_token_works_with_exactly_the_chosen_keys_and_tags(admin, keys):
    before = set(log_rows().values_list("id", flat=True))
    wanted = asked(operations=["encrypt", "sign"], keys=["releases"], tags=["eu"], reason="team")
    connected = connect_application(principal=admin.principal, request=wanted)
    recorded = log_rows().exclude(id__in=before).order_by("id")
    assert [entry.action for entry in recorded] == ACTIONS
    assert {entry.user_id for entry in recorded} == {admin.user.id}
    assert [json.loads(entry.meta).get("reason") for entry in recorded] == [None, "team", "team", None]
    token = connected.created.token
    assert (connected.account.role, token.scopes) == ("developer", ["crypto.encrypt", "crypto.sign"])
    assert token.key_ids is None  # a tag covers keys that do not exist yet
    grants = KeyGrant.objects.filter(principal_id=connected.account.id).order_by("tag")
    assert [(each.key_id, each.tag, each.operation_words) for each in grants] == [
        (keys[1].id, "", ["sign"]),
        (None, "eu", ["encrypt", "sign"]),
    ]
    other = KeyFactory(name="other")
    statuses = [
        encrypt(connected.created.text, f"name:{name}").status for name in ("payments-db", other.name)
    ]
    assert statuses == [200, 404]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"name": "taken"}, NameTaken, "name"),
        ({"name": "No name"}, Invalid, "name"),
        ({"keys": ["payments-db", "unknown"]}, Invalid, "keys"),
        ({"keys": []}, Invalid, "keys"),
        ({"tags": [f"tag-{number}" for number in range(20)]}, Invalid, "keys"),
        ({"keys": [], "tags": ["x" * 65]}, Invalid, "tags"),
        ({"operations": ["encrypt", "sign"]}, Invalid, "operations"),
        ({"keys": ["payments-db", "releases"]}, Invalid, "operations"),
        ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, Invalid, "expires_at"),  # the last step
    ],
)
def test_a_refusal_leaves_nothing_behind(admin, keys, changes, error, field):
    ServiceAccountFactory(name="taken")
    before = counts()
    with pytest.raises(error) as refused:
        connect_application(principal=admin.principal, request=asked(**changes))
    assert (list(refused.value.fields), counts()) == ([field], before)


def counts():
    return [
        rows.count() for rows in (ServiceAccount.objects, KeyGrant.objects, ServiceToken.objects, log_rows())
    ]


def test_only_an_administrator_with_a_recent_sign_in_connects(admin, developer, keys):
    with pytest.raises(Denied):
        connect_application(principal=developer.principal, request=asked())
    late = replace(admin.principal, auth_time=database_now() - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        connect_application(principal=late, request=asked())


def test_the_page_shows_the_token_once_with_code_that_names_the_key(admin, keys, settings):
    settings.CC_PUBLIC_URL = "https://keys.example.org"
    browser = signed_in(admin)
    sent = FORM | {"form-number": form_of(browser.get(PATH))["form-number"]}
    shown = browser.post(PATH, sent)
    token = token_in(shown)
    examples = shown.context["examples"]
    assert [example.title for example in examples] == ["Python client", "curl", "Command"]
    client, curl, command = [example.code for example in examples]
    for code in (client, curl, command):
        assert "name:payments-db" in code
        assert "aes-256-gcm" in code
        assert token not in code
        assert "@@" not in code
    ast.parse(client)
    subprocess.run(["bash", "-n"], input=curl + command, text=True, check=True)
    assert "export CIPHERCANARY_URL=https://keys.example.org" in text(shown)
    assert encrypt(token, "name:payments-db").status == 200
    assert ServiceToken.objects.get().key_ids == [
        str(keys[0].id)
    ]  # a grant to all developers does not extend it
    again = browser.post(PATH, sent)
    assert (again.status_code, ServiceToken.objects.count()) == (303, 1)
    assert token not in text(browser.get(again["Location"]))


@pytest.mark.parametrize(
    ("changes", "titles", "words"),
    [
        ({"operations": ["decrypt"]}, [], "API reference"),
        ({"keys": "", "tags": "eu", "reason": "team"}, ["Python client", "curl", "Command"], ""),
        ({"keys": "", "tags": "none", "reason": "team"}, [], "No active key has a chosen tag yet"),
        ({"keys": "mac", "operations": ["mac"]}, ["Python client", "curl"], ""),
        ({"keys": "agreement", "operations": ["agree"]}, ["curl"], ""),
    ],
)
def test_there_is_code_for_what_the_token_allows(admin, keys, changes, titles, words):
    KeyFactory(name="mac", algorithm="hmac-sha256")
    KeyFactory(name="agreement", algorithm="x25519")
    shown = submit(signed_in(admin), **changes)
    assert [example.title for example in shown.context["examples"]] == titles
    assert words in text(shown)


def test_a_token_that_only_encrypts_gets_no_code_that_decrypts(admin, keys):
    shown = submit(signed_in(admin), operations=["encrypt"])
    assert "decrypt" not in "".join(example.code for example in shown.context["examples"])


def test_a_key_in_the_address_is_chosen_with_its_operations(admin, keys):
    form = signed_in(admin).get(f"{PATH}?key=releases").context["form"]
    assert (form["keys"].value(), form["operations"].value()) == (["releases"], ["sign", "verify"])
    for name in ("unknown", ""):
        form = signed_in(admin).get(f"{PATH}?key={name}").context["form"]
        assert (form["keys"].value(), form["operations"].value()) == (None, ["encrypt", "decrypt"])


def test_bad_input_is_reported_at_its_field(admin, keys):
    browser = signed_in(admin)
    for changes, field in (
        ({"name": ""}, "name"),
        ({"keys": "unknown"}, "keys"),
        ({"keys": "", "tags": "x" * 65, "reason": "team"}, "tags"),
        ({"tags": "eu"}, "reason"),
        ({"operations": ["sign"]}, "operations"),
        ({"lifetime": "custom", "expires_at": "2020-01-01T00:00"}, "expires_at"),
    ):
        refused = submit(browser, **changes)
        assert (refused.status_code, list(refused.context["form"].errors)) == (422, [field])


def test_the_page_costs_at_most_twelve_statements(admin, keys):
    browser = signed_in(admin)
    browser.get(PATH)
    with CaptureQueriesContext(connection) as statements:
        browser.get(f"{PATH}?key=payments-db")
    assert len([each for each in statements if "SAVEPOINT" not in each["sql"]]) <= 12
