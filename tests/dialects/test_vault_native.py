"""The native API refuses transit keys where their format would be misread."""

import pytest

from tests.dialects.conftest import TEXT, native_key
from tests.endpoints import REASON
from tests.personas import b64

DATA = b64(TEXT)


@pytest.fixture
def native(vault, rotated):
    """Sends requests about a transit key of this type to the native API."""
    headers = {"Authorization": f"Bearer {vault.token}"}

    def send(method, path, body, kind="aes256-gcm96"):
        rotated(
            "orders", versions=1, type=kind, exportable=True, **({"key_size": 32} if kind == "hmac" else {})
        )
        key_id = str(native_key("orders").id)
        filled = {name: key_id if value == "KEY" else value for name, value in body.items()}
        return vault.api.send(method, f"/api/v1/{path.replace('KEY', key_id)}", filled, **headers)

    return send


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("encrypt", {"algorithm": "aes-256-gcm", "data": DATA, "key_id": "KEY"}, "aes256-gcm96"),
        (
            "encrypt/batch",
            {"algorithm": "aes-256-gcm", "items": [{"data": DATA}], "key_id": "KEY"},
            "aes256-gcm96",
        ),
        ("encrypt", {"algorithm": "rsa-oaep-sha256", "data": DATA, "key_id": "KEY"}, "rsa-3072"),
        ("data-keys", {"key_id": "KEY"}, "aes256-gcm96"),
        ("derive", {"key_id": "KEY", "context": DATA, "bits": 256}, "aes256-gcm96"),
        ("sign", {"key_id": "KEY", "signing_algorithm": "ed25519", "message": DATA}, "ed25519"),
        (
            "verify",
            {"key_id": "KEY", "signing_algorithm": "ed25519", "message": DATA, "signature": DATA},
            "ed25519",
        ),
        ("mac", {"key_id": "KEY", "message": DATA}, "hmac"),
    ],
)
def test_an_operation_refuses_a_transit_key(native, path, body, kind):
    response = native("POST", path, body, kind)
    assert (response.status, response.code) == (400, "unsupported_algorithm"), response.json
    assert any(
        word in response.json["detail"] for word in ("purpose of this key is transit", "cannot derive")
    )


def test_the_modes_of_transit_keys_are_none_of_the_native_api(native):
    response = native("POST", "encrypt", {"algorithm": "vault-aes256-gcm96", "data": DATA, "key_id": "KEY"})
    assert (response.status, response.code) == (400, "unsupported_algorithm")


def test_a_transit_key_derives_no_key_and_has_no_reencryption(native):
    for path, body in {"derive": {"context": DATA, "bits": 256}, "reencryptions": {}}.items():
        assert native("POST", path, {"key_id": "KEY", **body}).status == 400, path


@pytest.mark.parametrize(
    "key_id", ["vault:transit/Orders", "vault:secrets/orders", "vault:transit/x/orders", "vault:transit/a"]
)
def test_the_reference_to_an_unknown_transit_key_is_refused_as_any_other(native, key_id):
    assert native("POST", "mac", {"key_id": key_id, "message": DATA}).status == 404
    assert native("POST", "mac", {"key_id": "vault:transit/orders", "message": DATA}).status == 400


def test_the_material_of_a_transit_key_is_not_exported(native):
    response = native("POST", "keys/KEY/export", REASON)
    assert (response.status, response.code) == (409, "key_not_exportable")


def test_no_native_request_creates_a_transit_key(native):
    fields = {"name": "native", "algorithm": "vault-aes256-gcm96"}
    assert native("POST", "keys", fields).code == "unsupported_algorithm"
    assert native("POST", "keys/import", {**fields, "format": "raw", "material": DATA}).status == 400


def test_the_list_and_the_states_of_keys_include_transit_keys(native):
    assert native("GET", "keys/KEY", {}).json["purpose"] == "transit"
    assert native("POST", "keys/KEY/disable", REASON).json["status"] == "disabled"
