"""Wrapped secrets of transit keys: those that a real OpenBao exported with ``byok-export``, and refused ones."""

import json
from pathlib import Path

import pytest

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import Invalid
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transit import wrapped
from kernel.crypto.transit.cipher import TransitCipher
from kernel.crypto.transit.secrets import TransitSecrets
from kernel.crypto.transit.signing import SignatureForm, TransitMac, TransitSigner
from kernel.crypto.transit_types import TRANSIT_TYPES
from kernel.crypto.transport import key_transport
from tests.kernel.crypto.transit.recorded import decode, text_of

BYOK = json.loads((Path(__file__).parent / "byok.json").read_text())


@pytest.fixture(scope="module")
def recipient():
    return key_transport.recipient_with(KeyMaterial(decode(BYOK["recipient"])))


@pytest.mark.parametrize("recorded", BYOK["keys"], ids=lambda each: f"{each['type']} {each['hash']}")
def test_a_key_that_openbao_exported_opens_its_text_or_verifies_its_signature(recorded, recipient):
    kind, body = TRANSIT_TYPES[recorded["type"]], recorded["body"]
    ciphertext = decode(recorded["ciphertext"])
    secrets = wrapped.secrets_of(kind, wrapped.unwrap([recipient], ciphertext, recorded["hash"]))
    if "ciphertext" in body:
        opened = TransitCipher(kind, secrets).open(text_of(body["ciphertext"]))
        assert opened == decode(recorded["expected"]["plaintext"])
    elif "hmac" in body:
        assert TransitMac(secrets).is_valid(decode(body["input"]), text_of(body["hmac"]), "sha2-256")
    else:
        signer, signature = TransitSigner(kind, secrets), text_of(body["signature"])
        assert signer.is_valid(decode(body["input"]), signature, SignatureForm(hash_algorithm="sha2-256"))


def test_altered_texts_and_other_hashes_are_refused(recipient):
    recorded = BYOK["keys"][0]
    ciphertext = decode(recorded["ciphertext"])
    altered = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    cases = ([recipient], altered, "SHA256"), ([recipient], ciphertext, "SHA384"), ([], ciphertext, "SHA256")
    for case in cases:
        with pytest.raises(Invalid) as refusal:
            wrapped.unwrap(*case)
        assert "cannot be unwrapped" in refusal.value.fields["ciphertext"][0]


@pytest.mark.parametrize(
    ("name", "octets", "text"),
    [
        ("aes256-gcm96", bytes(31), "invalid key size 31 bytes for key type aes256-gcm96"),
        ("hmac", bytes(31), "invalid key size 31 bytes for key type hmac"),
        ("hmac", bytes(513), "invalid key size 513 bytes for key type hmac"),
        ("ecdsa-p256", bytes(32), "PKCS #8"),
        ("ed25519", key_pairs.generate("ec-p256")[0].expose(), "private key of type ed25519"),
    ],
)
def test_material_of_another_type_or_size_is_refused(name, octets, text):
    with pytest.raises(Invalid) as refusal:
        wrapped.secrets_of(TRANSIT_TYPES[name], octets)
    assert text in refusal.value.fields["ciphertext"][0]


def test_an_imported_hmac_key_is_also_its_mac_key_and_others_get_a_new_one():
    found = wrapped.secrets_of(TRANSIT_TYPES["hmac"], bytes(64))
    assert (found.key, found.mac_key) == (bytes(64), bytes(64))
    others = [wrapped.secrets_of(TRANSIT_TYPES["aes128-gcm96"], bytes(16)) for _ in range(2)]
    assert [len(each.mac_key) for each in others] == [32, 32]
    assert others[0].mac_key != others[1].mac_key
    assert isinstance(others[0], TransitSecrets)
