"""Texts, signatures and MACs of OpenBao 2.7.2 open and verify; ours do so under the same keys."""

import hashlib
from typing import Any

import pytest

from kernel.crypto.errors import DecryptionFailed, Invalid
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transit.cipher import TransitCipher, TransitRsaCipher
from kernel.crypto.transit.secrets import TransitSecrets, generate
from kernel.crypto.transit.signing import SignatureForm, TransitMac, TransitSigner, digest
from kernel.crypto.transit_types import TRANSIT_TYPES
from tests.kernel.crypto.transit.recorded import AAD, CONTEXT, MESSAGE, VECTORS, decode, key_of, text_of


def _name(recorded: Any) -> str:
    return f"{recorded['type']}-{recorded['variant']}"


def _cipher(recorded: dict[str, Any]) -> Any:
    kind, secrets = key_of(recorded)
    return (TransitRsaCipher if kind.is_asymmetric else TransitCipher)(kind, secrets)


def _bound(recorded: dict[str, Any]) -> dict[str, bytes]:
    return {
        "context": b"" if recorded["variant"] == "plain" else CONTEXT,
        "aad": AAD if recorded["aad"] else b"",
    }


def _form(recorded: dict[str, Any]) -> SignatureForm:
    return SignatureForm(
        hash_algorithm=recorded.get("hash_algorithm", "sha2-256"),
        signature_algorithm=recorded.get("signature_algorithm", ""),
        salt_length=recorded.get("salt_length", "auto"),
        is_raw=recorded.get("marshaling_algorithm") == "jws",
        is_prehashed=recorded.get("prehashed", False),
    )


@pytest.mark.parametrize("recorded", VECTORS["texts"], ids=_name)
def test_a_recorded_text_opens_and_an_altered_one_does_not(recorded):
    cipher, sealed, bound = _cipher(recorded), text_of(recorded["text"]), _bound(recorded)

    assert cipher.open(sealed, **bound) == MESSAGE
    assert cipher.open(cipher.seal(MESSAGE, **bound), **bound) == MESSAGE
    for altered in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:-1], sealed[:26], b""):
        with pytest.raises((DecryptionFailed, Invalid)):
            cipher.open(altered, **bound)


@pytest.mark.parametrize("recorded", VECTORS["texts"], ids=_name)
def test_only_a_convergent_key_repeats_a_text(recorded):
    cipher, bound, text = _cipher(recorded), _bound(recorded), text_of(recorded["text"])
    first, second = cipher.seal(MESSAGE, **bound), cipher.seal(MESSAGE, **bound)

    if recorded["variant"] == "convergent":
        assert first == second == text
    else:
        assert first[:12] != second[:12]
    assert len(first) == len(text)


@pytest.mark.parametrize("recorded", VECTORS["signed"], ids=_name)
def test_recorded_signatures_verify_and_refusals_are_the_same(recorded):
    signer = TransitSigner(*key_of(recorded))
    context = b"" if recorded["variant"] == "plain" else CONTEXT
    for each in recorded["signatures"]:
        form, message = _form(each), decode(each["input"]) if "input" in each else MESSAGE
        if "refusal" in each:
            with pytest.raises(Invalid) as refusal:
                signer.sign(message, form, context)
            [[text]] = refusal.value.fields.values()
            assert text in each["refusal"]
            continue
        signature = text_of(each["signature"], is_raw=form.is_raw)
        ours = signer.sign(message, form, context)

        assert signer.is_valid(message, signature, form, context), each
        assert signer.is_valid(message, ours, form, context), each
        assert len(ours) - len(signature) in range(-3, 4)
        other = bytes([message[0] ^ 1]) + message[1:]
        assert not signer.is_valid(other, signature, form, context), each
        assert signer.public_key(context) == decode(each.get("public_key", ""))


@pytest.mark.parametrize("recorded", VECTORS["macs"], ids=_name)
def test_recorded_macs_are_equal_and_altered_ones_are_refused(recorded):
    mac = TransitMac(key_of(recorded)[1])
    for name, text in recorded["macs"].items():
        tag = text_of(text)
        assert mac.compute(MESSAGE, name) == tag
        assert mac.is_valid(MESSAGE, tag, name)
        assert not mac.is_valid(MESSAGE, tag[:-1] + bytes([tag[-1] ^ 1]), name)
        assert not mac.is_valid(MESSAGE, tag[:-1], name)


def test_a_prehashed_message_is_not_empty_and_a_signature_of_another_digest_length_is_not_valid():
    by_type = {recorded["type"]: TransitSigner(*key_of(recorded)) for recorded in VECTORS["signed"]}
    form = SignatureForm(is_prehashed=True)

    # Anyone can make an ECDSA signature of the digest zero.
    with pytest.raises(Invalid, match="input"):
        by_type["ecdsa-p256"].sign(b"", form)
    rsa = by_type["rsa-2048"]
    assert not rsa.is_valid(MESSAGE, rsa.sign(MESSAGE, SignatureForm()), form)


def test_a_digest_is_the_one_of_the_named_hash():
    assert digest(MESSAGE, "sha2-384") == hashlib.sha384(MESSAGE).digest()
    assert digest(MESSAGE, "sha3-256") == hashlib.sha3_256(MESSAGE).digest()


def test_a_convergent_key_refuses_additional_data_only_when_it_seals():
    kind = TRANSIT_TYPES["aes256-gcm96"].variant(is_derived=True, is_convergent=True)
    cipher = TransitCipher(kind, generate(kind))

    with pytest.raises(Invalid, match="associated_data"):
        cipher.seal(MESSAGE, context=CONTEXT, aad=AAD)
    with pytest.raises(DecryptionFailed):
        cipher.open(cipher.seal(MESSAGE, context=CONTEXT), context=CONTEXT, aad=AAD)
    with pytest.raises(Invalid, match="missing 'context'"):
        cipher.seal(MESSAGE)


def test_secrets_survive_their_encoding_and_another_form_is_refused():
    secrets = generate(TRANSIT_TYPES["ecdsa-p521"])
    octets = secrets.encode().expose()
    found = TransitSecrets.decode(secrets.encode())

    assert (found.key, found.mac_key) == (secrets.key, secrets.mac_key)
    for malformed in (b"\2" + octets[1:], octets[: -len(secrets.mac_key)], octets[:20], bytes(16)):
        with pytest.raises(ValueError, match="no material"):
            TransitSecrets.decode(KeyMaterial(malformed))
