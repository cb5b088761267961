"""Import of wrapped keys: a key that OpenBao exported with ``byok-export`` serves here."""

import json

import pytest

from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import key_transport
from kernel.rsa import process
from keys.transport.services import import_parameters
from tests.dialects.conftest import native_key, vault_of
from tests.kernel.crypto.transit.recorded import decode
from tests.kernel.crypto.transit.test_wrapped import BYOK
from tests.log_entries import log_rows
from tests.personas import b64, make_persona

AES, EC, RSA = (
    next(each for each in BYOK["keys"] if each["type"] == name)
    for name in ("aes256-gcm96", "ecdsa-p256", "rsa-2048")
)


def wrapped(octets):
    """Material, wrapped for the server."""
    private = key_transport.recipient_with(KeyMaterial(decode(BYOK["recipient"])))
    public, _ = key_transport.public_keys(private)
    return b64(key_transport.wrap(public, KeyMaterial(octets), ""))


@pytest.fixture
def importing(vault, admin):
    """The client of an administrator with the wrapping key of the recorded ciphertexts."""
    recipient = key_transport.recipient_with(KeyMaterial(decode(BYOK["recipient"])))
    import_parameters._create(admin.principal, recipient)
    return vault


def imported(vault, name, recorded, **members):
    body = {"ciphertext": recorded["ciphertext"], "type": recorded["type"], **members}
    response = vault.post(f"keys/{name}/import", body)
    assert response.status == 204, response.json
    return name


@pytest.mark.parametrize("recorded", [AES, EC, RSA], ids=lambda each: each["type"])
def test_an_exported_key_gives_the_responses_of_openbao(importing, recorded):
    name = imported(importing, "moved", recorded)
    assert importing.data(f"{recorded['operation']}/{name}", recorded["body"]) == recorded["expected"]
    key = native_key(name)
    assert (key.origin, key.exportable) == ("imported", False)
    entry = log_rows().get(action="keys.key.imported")
    assert (entry.object_id, json.loads(entry.meta)["format"]) == (str(key.id), "wrapped")


def test_an_imported_key_encrypts_and_gets_more_versions(importing):
    name = imported(importing, "moved", AES, derived=True, exportable=True, auto_rotate_period="24h")
    context = {"context": b64(b"context")}
    sealed = importing.encrypt(name, **context)
    response = importing.post(f"keys/{name}/import_version", {"ciphertext": wrapped(bytes(32))})
    assert response.status == 204, response.json
    opened = [
        importing.data(f"decrypt/{name}", {"ciphertext": text, **context})
        for text in (sealed, importing.encrypt(name, **context))
    ]
    assert opened[0] == opened[1]
    found = importing.send("GET", f"transit/keys/{name}").json["data"]
    assert (found["latest_version"], found["exportable"], found["auto_rotate_period"]) == (2, True, 86_400)
    assert found["imported_key_allow_rotation"] is True


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ciphertext": ""}, "missing ciphertext"),
        ({"ciphertext": "!"}, "illegal base64 data at input byte 0"),
        ({"ciphertext": b64(bytes(8193))}, "more than 8192 bytes"),
        ({"ciphertext": b64(bytes(600))}, "cannot be unwrapped"),
        ({"hash_function": "SHA1"}, "SHA1 is not supported: use one of SHA224, SHA256"),
        ({"hash_function": "odd"}, "unknown hash function: odd"),
        ({"type": "odd"}, "unknown key type: odd"),
        ({"type": "rsa-2048"}, "error importing key: "),
        ({"type": "hmac", "derived": True}, "key derivation not supported"),
        ({"derived": True, "convergent_encryption": True}, "import cannot be used on keys with convergent"),
        ({"allow_rotation": False}, "allow_rotation must be true"),
        ({"public_key": "x"}, "public_key cannot be imported"),
    ],
)
def test_a_wrong_import_is_refused_with_its_reason(importing, changes, text):
    assert text in importing.error("keys/moved/import", {"ciphertext": AES["ciphertext"], **changes})


def test_existing_and_missing_keys_are_refused(importing, rotated):
    rotated("created", versions=1)
    body = {"ciphertext": AES["ciphertext"]}
    assert "cannot be used with an existing key" in importing.error("keys/created/import", body)
    assert "only be used with an imported key" in importing.error("keys/created/import_version", body)
    assert importing.error("keys/absent/import_version", body).startswith("no key found with name absent;")
    name = imported(importing, "moved", AES)
    assert "version cannot be set" in importing.error(f"keys/{name}/import_version", {**body, "version": 1})


def test_the_factors_of_an_rsa_key_are_checked(importing, monkeypatch):
    def refuse(*_):
        raise WrongKey("The factors are not prime.")

    monkeypatch.setattr(process, "check", refuse)
    body = {"ciphertext": RSA["ciphertext"], "type": "rsa-2048"}
    assert importing.error("keys/moved/import", body) == "error importing key: The factors are not prime."


def test_only_the_account_that_read_the_wrapping_key_imports_with_it(importing, developer):
    found = importing.send("GET", "transit/wrapping_key").json["data"]["public_key"]
    assert found.startswith("-----BEGIN PUBLIC KEY-----")
    body = {"ciphertext": AES["ciphertext"]}
    other = vault_of(make_persona("bea", "admin"))
    assert "cannot be unwrapped" in other.error("keys/other/import", body)
    refused = [vault_of(developer).post("keys/other/import", body)]
    refused.append(vault_of(developer).send("GET", "transit/wrapping_key"))
    assert [each.status for each in refused] == [403, 403]
