"""The rights that the paths of the transit engine need, and the contents of a refusal."""

import re
from dataclasses import dataclass, field

import pytest
from django.urls import resolve

from dialects.vault.urls import api
from keys.lifecycle import operations_of
from tests.authorisation import ALL, AUTHENTICATED, PERMISSIONS, PUBLIC
from tests.dialects.conftest import Vault, native_key, vault_of
from tests.factories import GrantFactory
from tests.personas import b64, make_persona, make_service_account, with_token

INPUT = {"input": b64(b"x")}
DENIED = "1 error occurred:\n\t* permission denied\n\n"
WITHOUT_TOKEN = "permission denied"


@dataclass(frozen=True)
class Use:
    """A request that an administrator may send. ``names_key``: it is about one key."""

    method: str
    path: str
    permission: str
    body: dict = field(default_factory=dict)
    names_key: bool = True
    status: int = 200


def general(method, path, permission, body=None, status=200):
    return Use(method, path, permission, body or {}, names_key=False, status=status)


ON_KEYS = [
    Use("POST", "transit/encrypt/KEY", "crypto.encrypt", {"plaintext": b64(b"x")}),
    Use("PUT", "transit/encrypt/KEY", "crypto.encrypt", {"batch_input": [{"plaintext": b64(b"x")}]}),
    Use("POST", "transit/decrypt/KEY", "crypto.decrypt", {"ciphertext": "CIPHERTEXT"}),
    Use("POST", "transit/decrypt/KEY", "crypto.decrypt", {"batch_input": [{"ciphertext": "CIPHERTEXT"}]}),
    Use("POST", "transit/rewrap/KEY", "crypto.reencrypt", {"ciphertext": "CIPHERTEXT"}),
    Use("POST", "transit/rewrap/KEY", "crypto.reencrypt", {"batch_input": [{"ciphertext": "CIPHERTEXT"}]}),
    Use("POST", "transit/datakey/plaintext/KEY", "crypto.data_key"),
    Use("POST", "transit/datakey/wrapped/KEY", "crypto.data_key"),
    Use("POST", "transit/sign/KEY", "crypto.sign", INPUT),
    Use("POST", "transit/sign/KEY/sha2-512", "crypto.sign", {"batch_input": [INPUT]}),
    Use("POST", "transit/verify/KEY", "crypto.verify", {**INPUT, "signature": "SIGNATURE"}),
    Use("POST", "transit/verify/KEY/sha2-512", "crypto.verify", {**INPUT, "hmac": "HMAC"}),
    Use("POST", "transit/hmac/KEY", "crypto.mac", INPUT),
    Use("POST", "transit/hmac/KEY/sha2-512", "crypto.mac", INPUT),
    Use("GET", "transit/keys/KEY", "keys.read"),
    Use("POST", "transit/keys/KEY/rotate", "keys.rotate"),
    Use("POST", "transit/keys/KEY/config", "keys.update"),
]
USES = [
    *ON_KEYS,
    Use("POST", "transit/keys/KEY", "keys.create"),
    general("LIST", "transit/keys", "keys.read"),
    general("GET", "transit/keys/?list=true", "keys.read"),
    general("POST", "transit/random", "crypto.random"),
    general("POST", "transit/random/platform/16", "crypto.random"),
    general("POST", "transit/hash", "crypto.random", INPUT),
    general("POST", "transit/hash/sha2-512", "crypto.random", INPUT),
    general("GET", "transit/wrapping_key", "keys.import"),
    general("POST", "transit/keys/fresh/import", "keys.import", status=400),
    general("POST", "transit/keys/fresh/import_version", "keys.import", status=400),
    general("GET", "sys/health", PUBLIC),
    general("GET", "sys/seal-status", PUBLIC),
    general("GET", "sys/leader", PUBLIC),
    general("GET", "sys/mounts", "keys.read"),
    general("GET", "sys/mounts/transit", "keys.read"),
    general("GET", "sys/internal/ui/mounts", AUTHENTICATED),
    general("GET", "sys/internal/ui/mounts/transit/keys/x", AUTHENTICATED),
    general("POST", "sys/capabilities-self", AUTHENTICATED, {"path": "transit/encrypt/x"}),
    general("GET", "auth/token/lookup-self", AUTHENTICATED),
    general("POST", "auth/token/lookup-self", AUTHENTICATED),
    general("POST", "auth/token/lookup", AUTHENTICATED),
    general("POST", "auth/token/revoke-self", AUTHENTICATED, status=403),  # of a session
    general("POST", "auth/approle/login", PUBLIC, {"role_id": "x", "secret_id": "x"}, status=400),
    general("POST", "auth/token/renew-self", AUTHENTICATED, status=400),
    general("GET", "sys/policies", AUTHENTICATED, status=404),
    general("DELETE", "odd/odd/x", AUTHENTICATED, status=404),
    # A person has the permission, and no migration token.
    Use("GET", "transit/export/hmac-key/KEY", "vault.manage", status=403),
    Use("GET", "transit/backup/KEY", "vault.manage", status=403),
    general("POST", "transit/restore/x", "vault.manage", {"backup": "x"}, status=403),
    Use("POST", "transit/keys/KEY/trim", "vault.manage", {"min_available_version": 1}, status=403),
    Use("DELETE", "transit/keys/KEY", "vault.manage", status=403),
    general("POST", "sys/mounts/eu", "vault.manage", {"type": "transit"}, status=403),
    general("DELETE", "sys/mounts/eu", "vault.manage", status=403),
    general("GET", "sys/mounts/transit/tune", "keys.read"),
    general("POST", "sys/mounts/eu/tune", "vault.manage", status=403),
]


class Keys:
    """A key for encryption and one for signatures, both owned by a developer."""

    def __init__(self):
        self.owner = make_persona("odile", "developer")
        client = vault_of(self.owner)
        client.data("keys/sealing")
        client.data("keys/signing", {"type": "ed25519"})
        self.texts = {
            "CIPHERTEXT": client.encrypt("sealing"),
            "SIGNATURE": client.data("sign/signing", INPUT)["signature"],
            "HMAC": client.data("hmac/signing/sha2-512", INPUT)["hmac"],
        }

    def send(self, client, use, name=None):
        """The request, about the key with the name."""
        right = "signing" if re.search("/(sign|verify)/", use.path) else "sealing"
        return client.send(
            use.method, use.path.replace("KEY", name or right), self.filled(use.body), X_Request_ID="same"
        )

    def filled(self, value):
        match value:
            case dict():
                return {name: self.filled(each) for name, each in value.items()}
            case list():
                return [self.filled(each) for each in value]
        return self.texts.get(value, value)


@pytest.fixture
def keys(transactional_db):
    return Keys()


def test_the_uses_are_those_of_every_path():
    resolved = {resolve(f"/v1/{use.path.partition('?')[0]}").func.view_class for use in USES}
    assert resolved == {pattern.callback.view_class for pattern in api}


@pytest.mark.parametrize("token", ["", "odd", "cct_" + "A" * 43, "\u00e9"])
def test_no_path_but_the_public_ones_is_open_without_a_valid_token(keys, token):
    for use in USES:
        response = keys.send(Vault(token), use)
        if use.permission == PUBLIC:
            assert response.status == use.status
        else:
            assert (response.status, response.json) == (403, {"errors": [WITHOUT_TOKEN]}), use


@pytest.mark.parametrize("role", ["admin", "operator", "developer", "auditor"])
def test_a_role_decides_first_and_a_missing_grant_looks_like_a_missing_key(keys, role):
    client = vault_of(make_persona("paul", role))
    client.post("keys/own")
    for use in USES:
        response = keys.send(client, use)
        reach = ALL if use.permission == PUBLIC else PERMISSIONS[use.permission].get(role)
        if reach is None:
            assert (response.status, response.json["errors"][0]) == (403, DENIED), use
        elif use.names_key and role == "developer":
            assert response.status in {400, 404}, use
        else:
            assert response.status == use.status, (use, response.json)


def test_the_owner_may_do_what_their_role_may(keys):
    client = vault_of(keys.owner)
    for use in USES:
        is_open = use.permission == PUBLIC or "developer" in PERMISSIONS[use.permission]
        assert keys.send(client, use).status == (use.status if is_open else 403), use


def test_a_token_needs_the_scope_of_each_path(keys, admin):
    for use in USES:
        if use.permission in {PUBLIC, AUTHENTICATED}:
            continue
        others = {"crypto.encrypt", "crypto.inspect"} - {use.permission}
        response = keys.send(vault_of(with_token(admin, others)), use)
        assert (response.status, response.json["errors"][0]) == (403, DENIED), use


def test_a_capability_is_the_right_to_send_the_request(keys, admin):
    words = {"GET": "read", "LIST": "list", "POST": "update", "PUT": "update", "DELETE": "delete"}
    uses = {(use.path, words[use.method]): use.permission for use in USES if use.path.startswith("transit/")}
    paths = sorted({path for path, _ in uses if "?" not in path})
    for permission in set(uses.values()):
        client = vault_of(with_token(admin, {permission}))
        found = client.send("POST", "sys/capabilities-self", {"paths": paths}).json["data"]
        for (path, word), needed in uses.items():
            assert path not in paths or (word in found[path]) is (needed == permission), (path, permission)


def test_a_refusal_changes_nothing(keys):
    for role in ("operator", "developer", "auditor"):
        client = vault_of(make_persona(f"paul-{role}", role))
        for use in ON_KEYS:
            if role != "operator" or use.permission != "keys.rotate":
                keys.send(client, use)
    assert native_key("sealing").primary_version == native_key("signing").primary_version == 1


def seen(response):
    """A refusal as the caller gets it, with one name and without the time."""
    headers = {name: value for name, value in response.headers.items() if name != "RateLimit"}
    return response.status, response.raw.content.replace(b"absent1", b"sealing"), headers


@pytest.mark.parametrize("limited", [False, True])
def test_a_key_out_of_reach_and_a_missing_one_have_the_same_response(keys, limited, admin):
    if limited:
        admin_client = vault_of(admin)
        admin_client.data("keys/own")
        client = vault_of(with_token(admin, key_ids=[str(native_key("own").id)]))
    else:
        client = vault_of(make_persona("paul", "developer"))
    for use in ON_KEYS:
        responses = [keys.send(client, use, name) for name in ("sealing", "absent1")]
        found = [seen(each) for each in responses]
        assert found[0] == found[1], use
        assert responses[0].status in {400, 403, 404}


def test_a_name_in_use_out_of_reach_is_refused_without_more(keys, stranger):
    client = vault_of(stranger)
    assert client.error("keys/sealing") == "A key with this name exists already."
    assert client.send("LIST", "transit/keys").status == 404


def test_the_list_has_only_names_within_reach(keys, stranger):
    client = vault_of(stranger)
    client.data("keys/mine")
    for query in ("", "?list=true", "?list=true&after=a&limit=9"):
        assert client.send("LIST", f"transit/keys{query}").json["data"] == {"keys": ["mine"]}


@pytest.mark.parametrize(
    "operation", ["encrypt", "decrypt", "reencrypt", "data_key", "sign", "verify", "mac"]
)
def test_a_grant_opens_its_operation_only(keys, operation):
    account = make_service_account("shop", "developer")
    client = vault_of(account)
    uses = [use for use in ON_KEYS if use.permission.startswith("crypto.")]
    assert {keys.send(client, use).status for use in uses} == {400}
    holder = {"principal_type": "service_account", "principal_id": str(account.user.id)}
    for name in ("sealing", "signing"):
        key = native_key(name)
        if operation in operations_of(key.algorithm, key.purpose):
            GrantFactory(key=key, operations=[operation], **holder)
    for use in uses:
        granted = use.permission == f"crypto.{operation}"
        assert keys.send(client, use).status in ({200} if granted else {400, 403}), use


def test_a_rotation_needs_the_right_to_read_before_it_rotates(keys, admin):
    client = vault_of(with_token(admin, {"keys.rotate"}))
    assert client.post("keys/sealing/rotate").status == 403
    assert native_key("sealing").primary_version == 1
