"""No altered ciphertext is accepted: every bit, every cut, every recombination of parts.

The keyring here is the most permissive possible: every key id and version holds the same material, and
every suite that fits it is tried, so that only the ciphertext's own binding can refuse.
"""

import base64
import itertools
import uuid

import pytest

from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.asymmetric.public_key_encryption import PrivateKeyOpener
from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.aead import Cipher, Sealed
from tests.kernel.crypto.conftest import AEAD_MODES

AAD = b"aad"
PLAINTEXT = b"a plaintext of thirty-three bytes"
HEADER_SIZE = 22


@pytest.fixture(scope="module")
def ciphers():
    octets = bytes(range(100, 132))
    sizes = {kind.name: kind.key_size // 8 for kind in KEY_ALGORITHMS}
    made = {m.name: Cipher(KeyMaterial(octets[: sizes[m.key_algorithm]]), m) for m in AEAD_MODES}
    # A changed suite may lead to these.
    for mode, algorithm in (("rsa-oaep-sha256", "rsa-3072"), ("hpke-x25519-ml-kem-768", "x25519-ml-kem-768")):
        private = key_pairs.load_private(algorithm, key_pairs.generate(algorithm)[0])
        made[mode] = PrivateKeyOpener(private, SEALING_MODES[mode])
    return made


@pytest.fixture
def sealed(ciphers, mode, key_id):
    return ciphers[mode.name].seal(PLAINTEXT, key_id=key_id, version=1, aad=AAD)


@pytest.fixture
def octets(sealed, mode, key_id):
    """The bytes inside the self-describing form."""
    text = envelope.encode(envelope.Envelope(mode, key_id, 1, sealed)).removeprefix("cc1.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def accepts(ciphers):
    """Whether bytes open; any exception but the two allowed ones is a failure of the test."""

    def accept(octets):
        text = "cc1." + base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
        try:
            decoded = envelope.decode(text, max_length=10_000)
            ciphers[decoded.mode.name].open(
                decoded.sealed, key_id=decoded.key_id, version=decoded.version, aad=AAD
            )
        except (MalformedCiphertext, DecryptionFailed):
            return False
        return True

    return accept


def test_the_unaltered_ciphertext_is_accepted(octets, accepts):
    assert accepts(octets)


def test_no_single_bit_can_be_changed(octets, accepts):
    whole = int.from_bytes(octets)
    changed = ((whole ^ (1 << bit)).to_bytes(len(octets)) for bit in range(len(octets) * 8))
    assert sum(map(accepts, changed)) == 0


def test_no_single_character_of_the_text_can_be_changed(sealed, mode, key_id, ciphers):
    text = envelope.encode(envelope.Envelope(mode, key_id, 1, sealed))
    accepted = 0
    for place, character in itertools.product(range(len(text)), "AQz09-_+/=. \n"):
        if text[place] == character:
            continue
        try:
            decoded = envelope.decode(text[:place] + character + text[place + 1 :], max_length=10_000)
            ciphers[decoded.mode.name].open(
                decoded.sealed, key_id=decoded.key_id, version=decoded.version, aad=AAD
            )
            accepted += 1
        except (MalformedCiphertext, DecryptionFailed):
            pass
    assert accepted == 0


def test_no_truncation_at_either_end_is_accepted(octets, accepts):
    assert not any(accepts(octets[:size]) for size in range(len(octets)))
    assert not any(accepts(octets[start:]) for start in range(1, len(octets)))


def test_no_byte_can_be_cut_out_or_doubled(octets, accepts):
    places = range(len(octets))
    assert not any(accepts(octets[:place] + octets[place + 1 :]) for place in places)
    assert not any(accepts(octets[: place + 1] + octets[place:]) for place in places)


@pytest.mark.parametrize("extension", [b"\x00", b"\xff", b"\x00" * 16, b"\x10" * 16, b"\x00" * 32])
def test_no_extension_is_accepted(octets, accepts, extension):
    assert not accepts(octets + extension)
    assert not accepts(octets[:HEADER_SIZE] + extension + octets[HEADER_SIZE:])
    assert not accepts(octets + octets)


def test_no_relabelling_is_accepted(octets, accepts, mode, key_id):
    body = octets[HEADER_SIZE:]
    labels = itertools.product(range(256), (key_id, uuid.UUID(int=0), uuid.uuid4()), (0, 1, 2, 2**32 - 1))
    accepted = {
        (suite, key, version)
        for suite, key, version in labels
        if accepts(bytes([1, suite]) + key.bytes + version.to_bytes(4) + body)
    }
    assert accepted == {(mode.suite, key_id, 1)}


def test_parts_of_two_messages_do_not_combine(accepts, ciphers, mode, key_id, sealed):
    another_key = uuid.uuid4()
    other = ciphers[mode.name].seal(PLAINTEXT[::-1], key_id=another_key, version=2, aad=AAD)
    header = bytes([1, mode.suite]) + key_id.bytes + (1).to_bytes(4)
    other_header = bytes([1, mode.suite]) + another_key.bytes + (2).to_bytes(4)
    first = (header, sealed.iv, sealed.ciphertext, sealed.tag)
    second = (other_header, other.iv, other.ciphertext, other.tag)
    mixtures = set(itertools.product(*zip(first, second, strict=True))) - {first, second}
    assert len(mixtures) == (6 if mode.deterministic else 14)
    assert accepts(b"".join(first))
    assert accepts(b"".join(second))
    assert not any(accepts(b"".join(mixture)) for mixture in mixtures)


def test_bytes_do_not_move_between_iv_ciphertext_and_tag(ciphers, mode, key_id, sealed):
    """The library accepts any nonce length, and ciphertext and tag as one piece; our length checks do not."""
    whole = sealed.iv + sealed.ciphertext + sealed.tag
    opened = set()
    for start, end in itertools.combinations_with_replacement(range(len(whole) + 1), 2):
        shifted = Sealed(whole[:start], whole[start:end], whole[end:])
        try:
            ciphers[mode.name].open(shifted, key_id=key_id, version=1, aad=AAD)
            opened.add(shifted)
        except MalformedCiphertext:
            pass
    assert opened == {sealed}


@pytest.mark.parametrize("part", ["iv", "ciphertext", "tag"])
def test_no_bit_of_the_split_form_can_be_changed(ciphers, mode, key_id, sealed, part):
    original = getattr(sealed, part)
    accepted = []
    for bit in range(len(original) * 8):
        changed = (int.from_bytes(original) ^ (1 << bit)).to_bytes(len(original))
        parts = {"iv": sealed.iv, "ciphertext": sealed.ciphertext, "tag": sealed.tag, part: changed}
        try:
            ciphers[mode.name].open(Sealed(**parts), key_id=key_id, version=1, aad=AAD)
            accepted.append(bit)
        except DecryptionFailed:
            pass
    assert accepted == []
