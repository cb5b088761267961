"""Inputs that transit keys refuse, in OpenBao's words."""

import pytest

from kernel.crypto.errors import DecryptionFailed, Invalid
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transit.cipher import TransitCipher, TransitRsaCipher
from kernel.crypto.transit.secrets import TransitSecrets, generate
from kernel.crypto.transit.signing import SignatureForm, TransitSigner
from kernel.crypto.transit_types import TRANSIT_TYPES
from tests.kernel.crypto.transit.recorded import AAD, MESSAGE, VECTORS, key_of


def signer_of(name):
    kind = TRANSIT_TYPES[name]
    return TransitSigner(kind, generate(kind))


def test_rsa_seals_as_many_bytes_as_oaep_allows_and_no_additional_data():
    cipher = TransitRsaCipher(*key_of(next(each for each in VECTORS["texts"] if each["type"] == "rsa-2048")))
    longest = bytes(256 - 2 * 32 - 2)  # RFC 8017 §7.1.1

    sealed = cipher.seal(longest)
    assert cipher.open(sealed) == longest
    with pytest.raises(Invalid, match="message too long"):
        cipher.seal(longest + b"\0")
    for refused in (lambda: cipher.seal(MESSAGE, aad=AAD), lambda: cipher.open(sealed, aad=AAD)):
        with pytest.raises(Invalid, match="non-AEAD cipher suite rsa-2048"):
            refused()


def test_material_without_a_head_is_refused():
    with pytest.raises(ValueError, match="no material"):
        TransitSecrets.decode(KeyMaterial(b"\1\0", least=1))


def test_a_derived_pair_needs_a_context():
    kind = TRANSIT_TYPES["ed25519"].variant(is_derived=True, is_convergent=False)
    with pytest.raises(Invalid, match="error deriving key: missing 'context'"):
        TransitSigner(kind, generate(kind)).sign(MESSAGE, SignatureForm())


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"hash_algorithm": "none"}, "requires both prehashed=true"),
        ({"hash_algorithm": "none", "is_prehashed": True}, "requires both prehashed=true"),
        ({"hash_algorithm": "none", "signature_algorithm": "pkcs1v15"}, "requires both prehashed=true"),
        ({"hash_algorithm": "sha1"}, 'invalid hash algorithm "sha1"'),
    ],
)
def test_a_form_refuses_an_unknown_hash_and_none_without_its_conditions(members, text):
    with pytest.raises(Invalid, match=text):
        SignatureForm(**members)


def test_ecdsa_refuses_to_sign_or_verify_without_a_hash():
    signer = signer_of("ecdsa-p256")
    form = SignatureForm(hash_algorithm="none", signature_algorithm="pkcs1v15", is_prehashed=True)
    signature = signer.sign(MESSAGE, SignatureForm())
    for refused in (
        lambda: signer.sign(bytes(32), form),
        lambda: signer.is_valid(bytes(32), signature, form),
    ):
        with pytest.raises(Invalid, match="RSA keys only"):
            refused()


@pytest.mark.parametrize("name", ["ecdsa-p256", "ecdsa-p521"])
def test_an_ecdsa_signature_has_one_of_two_encodings(name):
    signer, der, raw = signer_of(name), SignatureForm(), SignatureForm(is_raw=True)
    signature = signer.sign(MESSAGE, raw)

    assert signer.is_valid(MESSAGE, signature, raw)
    assert signer.is_valid(MESSAGE, signer.sign(MESSAGE, der), der)
    assert not signer.is_valid(MESSAGE, signature[:-1], raw)
    assert not signer.is_valid(MESSAGE, signature + b"\0", raw)
    with pytest.raises(Invalid, match="supplied signature is invalid"):
        signer.is_valid(MESSAGE, signature, der)


@pytest.mark.parametrize("kind", TRANSIT_TYPES.values(), ids=lambda kind: kind.name)
def test_generated_secrets_have_the_sizes_of_their_type(kind):
    if kind.name.startswith("rsa-"):
        secrets = generate(kind, private_key=b"a document")
        assert secrets.key == b"a document"
    else:
        secrets = generate(kind)
        assert kind.name.startswith("ecdsa-") or len(secrets.key) * 8 == kind.key_size
    assert len(secrets.mac_key) == 32
    assert (secrets.key == secrets.mac_key) is (kind.name == "hmac")


@pytest.mark.parametrize("name", ["aes256-gcm96", "xchacha20-poly1305"])
def test_a_text_below_the_size_of_its_nonce_has_a_text_of_its_own(name):
    kind = TRANSIT_TYPES[name]
    cipher, size = TransitCipher(kind, generate(kind)), 24 if name.startswith("x") else 12
    with pytest.raises(Invalid, match="invalid ciphertext length"):
        cipher.open(bytes(size - 1))
    for length in (size, size + 15, size + 16):
        with pytest.raises(DecryptionFailed):
            cipher.open(bytes(length))
    assert cipher.open(cipher.seal(b"")) == b""


def test_a_salt_of_pss_has_at_most_the_size_that_fits():
    kind, secrets = key_of(next(each for each in VECTORS["texts"] if each["type"] == "rsa-2048"))
    signer, longest = TransitSigner(kind, secrets), 256 - 2 - 32  # RFC 8017 §9.1.1
    form = SignatureForm(salt_length=str(longest))
    assert signer.is_valid(MESSAGE, signer.sign(MESSAGE, form), form)
    with pytest.raises(Invalid, match=f"salt length {longest + 1} is invalid"):
        signer.sign(MESSAGE, SignatureForm(salt_length=str(longest + 1)))
    # Any salt is verified by "auto", and none of another size by a number.
    hashed = signer.sign(MESSAGE, SignatureForm(salt_length="hash"))
    assert signer.is_valid(MESSAGE, hashed, SignatureForm())
    assert not signer.is_valid(MESSAGE, hashed, SignatureForm(salt_length="31"))


def test_an_ecdsa_signature_of_a_digest_is_deterministic():
    signer, form = signer_of("ecdsa-p256"), SignatureForm(is_prehashed=True)
    assert signer.sign(bytes(32), form) == signer.sign(bytes(32), form)
