"""The pages of transit keys, which clients of Vault and OpenBao create."""

import ast
import os
import re
import subprocess
from html import unescape

import pytest

from kernel.crypto.modes import RANDOM_NONCE_LIMIT
from kernel.errors import Invalid
from kernel.trust.row_mac import IntegrityFailed
from keys.deletion import services as deletion
from keys.editing import services as editing
from keys.models import Key
from keys.models.transit import transit_name_of
from keys.reading import services as reading
from keys.states import services as states
from tests.browsing import plain, signed_in, text
from tests.factories import SYSTEM
from tests.keys.steps import end_wait, schedule_deletion
from tests.pages import page_routes
from tests.personas import b64, with_token

pytestmark = pytest.mark.django_db

TYPES = {
    "Orders_v2": {"type": "aes256-gcm96"},
    "rows": {"type": "aes256-gcm96", "derived": True},
    "releases": {"type": "ed25519"},
    "letters": {"type": "rsa-2048"},
    "marks": {"type": "hmac", "key_size": 32},
}


@pytest.fixture
def create(admin):
    """Create a transit key as a client does."""
    api = with_token(admin).api

    def create(name="Orders_v2"):
        created = api.post(f"/v1/transit/keys/{name}", TYPES[name])
        assert created.status == 200, created.json
        return Key.objects.get(transit__name=name)

    return create


def _pages(key):
    """The pages of the key that a browser can open."""
    for route in page_routes():
        if route.path.startswith("/keys/{name}/") and "GET" in route.rules and "{grant_id}" not in route.path:
            yield route.name, route.path.format(name=key.name, version=1)


def _each_state(admin, key):
    """The states that a key can pass through, one after the other."""
    named = {"principal": admin.principal, "key_id": key.id}
    yield "active"
    states.disable_key(**named, reason="test")
    yield "disabled"
    states.revoke_key(**named, reason="test")
    yield "revoked"
    states.revoke_key(**named, reason="test", compromised=True)
    yield "compromised"
    editing.update_key(**named, changes={"deletion_protection": False})
    schedule_deletion(admin, key)
    yield "scheduled"
    end_wait(key)
    assert len(list(deletion.destroy_due_keys(principal=SYSTEM))) == 1
    yield "destroyed"


@pytest.mark.parametrize("name", TYPES)
def test_every_page_of_a_transit_key_opens(admin, create, name):
    """In each state, if the key has every page."""
    key = create(name)
    browser = signed_in(admin)
    missing = {"key-try", "key-sign-file", "reencryption-new"}
    if not key.kind.is_asymmetric:
        missing |= {"key-public-page", "key-public-file"}
    states_of_key = _each_state(admin, key)
    for state in states_of_key if name == "releases" else [next(states_of_key)]:
        found = {page: browser.get(path).status_code for page, path in _pages(key)}
        assert found == {page: 404 if page in missing else 200 for page in found}, state


def test_the_overview_and_the_lists_have_the_transit_name(admin, create):
    key, browser = create(), signed_in(admin)
    editing.update_key(principal=admin.principal, key_id=key.id, changes={"tags": ["billing"]})
    overview = plain(browser.get(f"/keys/{key.name}/"))
    assert "transit/Orders_v2" in overview
    assert "Minimum encryption versionVersion 1" in overview
    for word in ("orders_V2", "transit/orders", "billing"):
        assert key.name in text(browser.get(f"/keys/?search={word}"))
        assert key.name in text(browser.get(f"/search/?q={word}"))
    for query in ("purpose=transit", f"algorithm={key.algorithm}"):
        assert key.name in text(browser.get(f"/keys/?{query}"))
        assert [each["id"] for each in admin.api.get(f"/api/v1/keys?{query}").json["results"]] == [
            str(key.id)
        ]
    assert admin.api.get(f"/api/v1/keys/{key.id}/usage").json["budget"]["limit"] == RANDOM_NONCE_LIMIT
    assert "as transit/Orders_v2. Its page" in plain(browser.get(f"/keys/{key.name}/try/"))


def test_a_form_that_takes_names_of_keys_takes_the_transit_name(admin, create):
    key, browser = create(), signed_in(admin)
    for path in ("/account/tokens/new", f"/service-accounts/connect?key={key.name}"):
        assert 'value="transit/Orders_v2"' in text(browser.get(path)), path
    for names in (["transit/Orders_v2"], [key.name]):
        assert reading.keys_named(principal=admin.principal, names=names) == [key]
    for name in ("transit/orders_v2", "secrets/Orders_v2"):
        with pytest.raises(Invalid):
            reading.keys_named(principal=admin.principal, names=[name])
    key.transit.delete()
    with pytest.raises(IntegrityFailed):
        transit_name_of(Key.objects.get())


@pytest.mark.parametrize("name", TYPES)
def test_the_api_reads_a_transit_key_and_its_public_key(admin, create, name):
    key = create(name)
    path = f"/api/v1/keys/{key.id}"
    assert admin.api.get(path).json["algorithm"] == key.algorithm
    assert admin.api.get(f"{path}/versions").json["count"] == 1
    public, listed = admin.api.get(f"{path}/public-key"), admin.api.get(f"{path}/jwks")
    if not key.kind.is_asymmetric:
        assert {public.status, listed.status} == {404}
        return
    assert public.json["pem"].startswith("-----BEGIN PUBLIC KEY-----")
    assert listed.json["keys"] == [public.json["jwk"]]
    assert public.json["jwk"].keys() >= {"kty", "kid"}


def _programs(browser, key, language):
    """The first program, which sets the server and the token, and the others."""
    page = text(browser.get(f"/keys/{key.name}/use/?lang={language}"))
    first, *others = re.findall(r"<pre[^>]*data-value>(.*?)</pre>", page, re.DOTALL)
    return unescape(first), unescape("\n".join(others))


def test_use_it_has_programs_for_each_client(admin, create, settings):
    settings.CC_PUBLIC_URL = "https://keys.example.org"
    key, browser = create(), signed_in(admin)
    for language, call in {
        "hvac": 'transit.encrypt_data("Orders_v2", message, mount_point="transit")',
        "bao": "bao write -field=ciphertext transit/encrypt/Orders_v2",
        "sops": '--hc-vault-transit "$VAULT_ADDR/v1/transit/keys/Orders_v2"',
        "curl": '"$VAULT_ADDR/v1/transit/encrypt/Orders_v2"',
    }.items():
        first, others = _programs(browser, key, language)
        assert "export VAULT_ADDR=https://keys.example.org\n" in first
        assert "unset BAO_ADDR BAO_TOKEN" in first
        assert call in others
        assert "@@" not in others
    ast.parse(_programs(browser, create("letters"), "hvac")[1])


@pytest.mark.parametrize(
    ("name", "has_sops"), {"letters": True, "rows": False, "releases": False, "marks": False}.items()
)
def test_use_it_offers_sops_only_where_it_can_decrypt(admin, create, name, has_sops):
    """It sends no context, and only encrypts. A key that also signs has other programs."""
    page = text(signed_in(admin).get(f"/keys/{create(name).name}/use/"))
    assert re.findall(r'href="\?lang=(\w+)"', page) == ["hvac", "bao", *["sops"] * has_sops, "curl"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "output"), [("rows", "hello canary"), ("letters", "true"), ("marks", "true")]
)
def test_the_programs_run_as_shown(admin, create, live_server, name, output):
    _, program = _programs(signed_in(admin), create(name), "curl")
    sent = {
        "PATH": os.environ["PATH"],
        "VAULT_ADDR": live_server.url,
        "VAULT_TOKEN": with_token(admin).api.token,
    }
    command = ["bash", "-euo", "pipefail", "-s"]
    done = subprocess.run(command, input=program, env=sent, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("vault:v1:")
    assert done.stdout.rstrip().endswith(output)


def _refusals(key):
    """Requests for a transit key that only other keys fit: the path, the body, the status and a part of the text."""
    own, ref = f"/api/v1/keys/{key.id}", str(key.id)
    wrong = "The purpose of this key is transit."
    yield f"{own}/succeed", {"name": "new-orders", "algorithm": "aes-256", "reason": "test"}, 400, "Rotate it"
    yield f"{own}/succeed", {"name": "new-orders", "reason": "test"}, 400, "Rotate it"
    yield f"{own}/export", {"reason": "test"}, 409, "Transit keys cannot be exported here."
    yield f"{own}/csr", {"subject": "CN=a.example"}, 400, wrong
    yield "/api/v1/keys", {"name": "orders", "algorithm": key.algorithm}, 400, "Unknown key algorithm."
    material = {"format": "raw", "material": b64(bytes(32))}
    yield (
        "/api/v1/keys/import",
        {"name": "orders", "algorithm": key.algorithm, **material},
        400,
        "Unknown key",
    )
    yield "/api/v1/encrypt", {"key_id": ref, "data": "aGk=", "algorithm": "aes-256-gcm"}, 400, wrong
    yield "/api/v1/sign", {"key_id": ref, "message": "aGk=", "signing_algorithm": "ed25519"}, 400, wrong
    yield "/api/v1/mac", {"key_id": ref, "message": "aGk="}, 400, wrong
    yield "/api/v1/encapsulate", {"key_id": ref}, 400, wrong
    yield "/api/v1/jwt/sign", {"key_id": ref, "claims": {}}, 400, wrong
    yield "/api/v1/data-keys", {"key_id": ref}, 400, wrong
    yield "/api/v1/derive", {"key_id": ref, "context": "aGk=", "bits": 256}, 400, "cannot derive keys"


@pytest.mark.parametrize("name", ["Orders_v2", "releases"])
def test_the_api_refuses_what_does_not_fit_a_transit_key(admin, create, name):
    for path, body, status, words in _refusals(create(name)):
        refused = admin.api.post(path, body)
        assert (refused.status, words in refused.json["detail"]) == (status, True), (path, refused.json)


def test_a_server_that_requires_policies_creates_no_transit_key(admin, settings):
    settings.CC_REQUIRE_POLICY = True
    refused = with_token(admin).api.post("/v1/transit/keys/orders")
    assert refused.status == 400
    assert not Key.objects.exists()
