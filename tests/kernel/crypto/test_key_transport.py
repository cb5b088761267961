"""Wrapping of keys for another system: round trips, an independent sender, and altered input."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import key_transport
from kernel.crypto.transport.key_transport import TransportFailed

RECIPIENT = key_transport.recipient_with(key_pairs.generate("rsa-4096")[0])
FOR_RSA, FOR_HPKE = key_transport.public_keys(RECIPIENT)
NAME = "orders"
OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)


def opened_rsa(wrapped, recipient=RECIPIENT):
    return key_transport.unwrap_rsa(recipient, wrapped)


def opened_hpke(wrapped, recipient=RECIPIENT, name=NAME):
    return key_transport.unwrap_hpke(recipient, wrapped, name)


@pytest.mark.parametrize("size", [1, 8, 16, 33, 2400])
def test_material_of_any_size_arrives(size):
    material = KeyMaterial(os.urandom(size), least=1)
    assert opened_rsa(key_transport.wrap(FOR_RSA, material, NAME)) == material.expose()
    assert opened_hpke(key_transport.wrap(FOR_HPKE, material, NAME)) == material.expose()


def test_the_form_of_rsa_is_oaep_then_kwp():
    """As PKCS #11's CKM_RSA_AES_KEY_WRAP: a sender needs nothing from us but the public key."""
    key, material = os.urandom(32), b"material"
    wrapped = load_der_public_key(FOR_RSA).encrypt(key, OAEP) + aes_key_wrap_with_padding(key, material)
    assert opened_rsa(wrapped) == material


def test_every_altered_or_shortened_part_fails_to_open():
    material = KeyMaterial(bytes(32))
    for wrapped, read in (
        (key_transport.wrap(FOR_RSA, material, NAME), opened_rsa),
        (key_transport.wrap(FOR_HPKE, material, NAME), opened_hpke),
    ):
        for position in (0, len(wrapped) // 2, len(wrapped) - 41, len(wrapped) - 1):
            altered = bytearray(wrapped)
            altered[position] ^= 1
            with pytest.raises(TransportFailed):
                read(bytes(altered))
        for rest in (b"", wrapped[:512], wrapped[:-1], wrapped[:-8], wrapped + bytes(8)):
            with pytest.raises(TransportFailed):
                read(rest)


def test_a_key_of_another_size_or_hash_function_does_not_unwrap():
    public, material = load_der_public_key(FOR_RSA), bytes(32)
    short = os.urandom(16)
    with pytest.raises(TransportFailed):
        opened_rsa(public.encrypt(short, OAEP) + aes_key_wrap_with_padding(short, material))
    key, sha_512 = os.urandom(32), padding.OAEP(padding.MGF1(SHA512()), SHA512(), None)
    with pytest.raises(TransportFailed):
        opened_rsa(public.encrypt(key, sha_512) + aes_key_wrap_with_padding(key, material))


def test_hpke_is_bound_to_the_name_and_the_recipient():
    wrapped = key_transport.wrap(FOR_HPKE, KeyMaterial(bytes(32)), NAME)
    with pytest.raises(TransportFailed):
        opened_hpke(wrapped, name="order")
    other, _ = key_pairs.generate("x25519-ml-kem-768")
    with pytest.raises(TransportFailed):
        opened_hpke(wrapped, KeyMaterial(other.expose() + RECIPIENT.expose()[96:]))


def test_only_strong_keys_wrap():
    small = rsa.generate_private_key(65_537, 2048).public_key()
    small = small.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    _, signing = key_pairs.generate("ed25519")
    for recipient in (small, signing, b"", FOR_HPKE[:-1]):
        with pytest.raises(WrongKey):
            key_transport.wrap(recipient, KeyMaterial(bytes(32)), NAME)


def test_a_wrapping_key_with_a_small_factor_is_refused():
    weak = rsa.RSAPublicNumbers(65_537, 3 * (2**3070 - 5)).public_key()
    weak = weak.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(WrongKey, match="small factor"):
        key_transport.wrap(weak, KeyMaterial(bytes(32)), "name")
