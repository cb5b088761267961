import pytest

from ciphercanary.crypto.errors import MacMismatch
from ciphercanary.crypto.mac import compute_mac, verify_mac
from ciphercanary.crypto.material import KeyMaterial
from tests.crypto.vector_files import octets, read_vectors

# Cases with keys shorter than KeyMaterial allows are left out.
VECTORS = [v for v in read_vectors("HMAC/rfc-4231-sha256.txt", first="len") if len(octets(v["key"])) >= 16]


@pytest.mark.parametrize("vector", VECTORS)
def test_rfc_4231_vectors_hold(vector):
    assert compute_mac(KeyMaterial(octets(vector["key"])), octets(vector["msg"])) == octets(vector["md"])


def test_a_true_tag_verifies():
    key = KeyMaterial.generate(32)
    verify_mac(key, b"message", compute_mac(key, b"message"))


@pytest.mark.parametrize("bit", range(256))
def test_any_flipped_bit_of_the_tag_is_refused(bit):
    key = KeyMaterial.generate(32)
    tag = bytearray(compute_mac(key, b"message"))
    tag[bit // 8] ^= 1 << bit % 8
    with pytest.raises(MacMismatch):
        verify_mac(key, b"message", bytes(tag))


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_tag_of_another_length_is_refused(size):
    key = KeyMaterial.generate(32)
    with pytest.raises(MacMismatch):
        verify_mac(key, b"message", bytes(size))


def test_another_message_or_key_is_refused():
    key = KeyMaterial.generate(32)
    tag = compute_mac(key, b"message")
    with pytest.raises(MacMismatch):
        verify_mac(key, b"massage", tag)
    with pytest.raises(MacMismatch):
        verify_mac(KeyMaterial.generate(32), b"message", tag)
