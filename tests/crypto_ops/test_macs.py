"""MACs over the REST interface, and in the console. Vectors are in tests/kernel/crypto/test_mac.py."""

import base64
import hashlib
import hmac
from uuid import UUID

import pytest

from kernel.crypto.modes import MAC_MODES
from keys.ring import primitives
from keys.ring.key_loading import load_key
from tests.browsing import signed_in
from tests.crypto_ops.test_pages_try import results, run
from tests.log_entries import log_rows
from tests.personas import b64

MESSAGE = b"the canary sings at four"


@pytest.fixture
def mac_key(bench):
    return bench.key("hmac-sha256")


def compute(bench, key, message=MESSAGE, **fields):
    body = {"key_id": key["id"], "message": b64(message), **fields}
    return bench.persona.api.post("/api/v1/mac", body)


def verify(bench, key, mac, message=MESSAGE, **fields):
    body = {"key_id": key["id"], "message": b64(message), "mac": mac, **fields}
    return bench.persona.api.post("/api/v1/mac/verify", body)


@pytest.mark.parametrize("algorithm", MAC_MODES)
def test_every_mac_key_computes_and_verifies(bench, algorithm):
    key = bench.key(algorithm)
    assert (key["purpose"], key["modes"], key["operations"]) == ("mac", [algorithm], ["mac", "verify"])
    computed = compute(bench, key).json
    assert computed == {
        "mac": computed["mac"],
        "algorithm": algorithm,
        "key_id": key["id"],
        "key_version": 1,
    }
    assert len(base64.b64decode(computed["mac"])) == MAC_MODES[algorithm].size
    good = verify(bench, key, computed["mac"]).json
    assert good == {"valid": True, "algorithm": algorithm, "key_id": key["id"], "key_version": 1}


def test_it_is_hmac_of_the_raw_material(bench, mac_key):
    version = load_key(UUID(mac_key["id"])).versions[1]
    material = version._unwrap().expose()
    expected = hmac.new(material, MESSAGE, hashlib.sha256).digest()
    assert compute(bench, mac_key).json["mac"] == b64(expected)
    assert version.primitive(primitives.mac, MAC_MODES["hmac-sha256"]).compute(MESSAGE) == expected


def test_an_altered_mac_or_message_is_not_valid(bench, mac_key):
    mac = base64.b64decode(compute(bench, mac_key).json["mac"])
    altered = [b"", mac[:-1], mac + b"\0", bytes(32), bytes([mac[0] ^ 1]) + mac[1:]]
    responses = [verify(bench, mac_key, b64(each)).json for each in altered]
    responses.append(verify(bench, mac_key, b64(mac), message=MESSAGE + b"!").json)
    assert [(response["valid"], response["key_version"]) for response in responses] == [(False, None)] * 6


def test_keys_serve_their_purpose_only(bench, key, mac_key):
    assert compute(bench, key).code == "unsupported_algorithm"
    assert verify(bench, key, b64(bytes(32))).code == "unsupported_algorithm"
    assert bench.encrypt(mac_key["id"]).code == "unsupported_algorithm"
    body = {"key_id": mac_key["id"], "signing_algorithm": "ed25519", "message": ""}
    assert bench.persona.api.post("/api/v1/sign", body).code == "unsupported_algorithm"


def test_a_rotated_key_computes_with_its_new_version_and_verifies_the_old(bench, mac_key):
    old = compute(bench, mac_key).json["mac"]
    bench.change_key(mac_key["id"], "rotate")
    new = compute(bench, mac_key).json
    assert new["key_version"] == 2
    assert [verify(bench, mac_key, mac).json["key_version"] for mac in (old, new["mac"])] == [1, 2]
    assert verify(bench, mac_key, old, key_version=2).json["valid"] is False
    bench.change_key(mac_key["id"], "revoke")
    assert compute(bench, mac_key).code == "key_not_active"
    assert verify(bench, mac_key, old).json["valid"]


def test_the_log_has_each_operation_and_its_result(bench, mac_key):
    mac = compute(bench, mac_key).json["mac"]
    verify(bench, mac_key, mac)
    verify(bench, mac_key, b64(bytes(32)))
    [computed] = log_rows().filter(action="crypto.mac.computed", object_id=mac_key["id"])
    valid, invalid = log_rows().filter(action="crypto.mac.verified", object_id=mac_key["id"]).order_by("id")
    assert (computed.object_version, computed.size) == (1, len(MESSAGE))
    assert (valid.object_version, invalid.object_version) == (1, 1)
    assert ("valid" in valid.meta, "valid" in invalid.meta) == (False, True)
    assert mac not in computed.meta + valid.meta


def test_the_console_computes_and_verifies(bench, mac_key):
    browser, path = signed_in(bench.persona), f"/keys/{mac_key['name']}/try/"
    computed = results(run(browser, path, "mac", "hello canary"))
    valid = run(browser, path, "verify", "hello canary", proof=computed["MAC"]).content.decode()
    assert "Valid: computed with version 1 (hmac-sha256)." in valid
    wrong = run(browser, path, "verify", "hello sparrow", proof=computed["MAC"]).content.decode()
    assert "Not valid for this input" in wrong
