import copy

import pytest

from kernel.crypto.errors import MacMismatch
from kernel.crypto.mac import Mac
from kernel.crypto.material import KeyMaterial
from tests.kernel.crypto.vector_files import octets, read_vectors

# Cases with keys shorter than KeyMaterial allows are left out.
VECTORS = [
    (digest, vector)
    for digest in ("sha256", "sha384", "sha512")
    for vector in read_vectors(f"HMAC/rfc-4231-{digest}.txt", first="len")
    if len(octets(vector["key"])) >= 16
]


@pytest.mark.parametrize(("digest", "vector"), VECTORS)
def test_rfc_4231_vectors_hold(digest, vector):
    mac = Mac(KeyMaterial(octets(vector["key"])), digest)
    assert mac.compute(octets(vector["msg"])) == octets(vector["md"])


def test_a_true_tag_verifies():
    mac = Mac(KeyMaterial.generate(32))
    mac.verify(b"message", mac.compute(b"message"))


@pytest.mark.parametrize("bit", range(256))
def test_any_flipped_bit_of_the_tag_is_refused(bit):
    mac = Mac(KeyMaterial.generate(32))
    tag = bytearray(mac.compute(b"message"))
    tag[bit // 8] ^= 1 << bit % 8
    with pytest.raises(MacMismatch):
        mac.verify(b"message", bytes(tag))


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_tag_of_another_length_is_refused(size):
    mac = Mac(KeyMaterial.generate(32))
    with pytest.raises(MacMismatch):
        mac.verify(b"message", bytes(size))


def test_another_message_or_key_is_refused():
    mac = Mac(KeyMaterial.generate(32))
    tag = mac.compute(b"message")
    with pytest.raises(MacMismatch):
        mac.verify(b"massage", tag)
    with pytest.raises(MacMismatch):
        Mac(KeyMaterial.generate(32)).verify(b"message", tag)


def test_one_message_does_not_show_in_the_tag_of_the_next():
    mac = Mac(KeyMaterial.generate(32))
    first = mac.compute(b"message")
    mac.verify(b"another", mac.compute(b"another"))
    assert mac.compute(b"message") == first


def test_it_prints_nothing_and_is_not_copied():
    mac = Mac(KeyMaterial.generate(32))
    assert repr(mac) == "<Mac>"
    with pytest.raises(TypeError):
        copy.deepcopy(mac)
