import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.keywrap import binding, generate_kek, unwrap, wrap
from kernel.crypto.material import KeyMaterial

AAD = b"cc/kv/v1\x00\x00\x01a\x00\x00\x00\x02bc"
# Made with the bare library: KEK 40 41 … 5f, nonce 00 … 0b, material 00 … 1f. Databases store this form.
GOLDEN = bytes.fromhex(
    "01000102030405060708090a0b3a046e7b738942a7ca1b8ac9b4e0c2b493d53f1a7859bb44f639f28d5dac7741074da546f47c7cef"
    "990e11f3661ae53f"
)


@pytest.fixture
def kek():
    return KeyMaterial(bytes(range(0x40, 0x60)))


def test_a_key_wrapped_elsewhere_unwraps(kek):
    assert unwrap(kek, GOLDEN, aad=AAD).expose() == bytes(range(32))


def test_a_kek_has_an_id_of_8_hex_digits_and_32_bytes():
    kek_id, text = generate_kek()
    assert re.fullmatch("[0-9a-f]{8}", kek_id)
    assert len(base64.b64decode(text)) == 32


@pytest.mark.parametrize("size", [16, 32, 64, 2400])
def test_a_wrapped_key_unwraps_and_shows_nothing_of_it(kek, size):
    material = KeyMaterial.generate(size)
    wrapped = wrap(kek, material, aad=AAD)
    assert unwrap(kek, wrapped, aad=AAD).expose() == material.expose()
    assert len(wrapped) == 1 + 12 + size + 16
    assert material.expose() not in wrapped


def test_every_wrapping_has_its_own_nonce(kek):
    material = KeyMaterial.generate(32)
    assert len({wrap(kek, material, aad=AAD)[1:13] for _ in range(200)}) == 200


def test_no_bit_and_no_length_of_a_wrapped_key_can_be_changed(kek):
    whole = int.from_bytes(GOLDEN)
    changed = [(whole ^ (1 << bit)).to_bytes(len(GOLDEN)) for bit in range(len(GOLDEN) * 8)]
    cut = [GOLDEN[:size] for size in range(len(GOLDEN))]
    for wrapped in [*changed, *cut, GOLDEN + b"\x00", GOLDEN[:1] + GOLDEN]:
        with pytest.raises(UnwrapFailed):
            unwrap(kek, wrapped, aad=AAD)


def test_another_kek_or_binding_is_the_same_failure_as_altered_bytes(kek):
    texts = set()
    for other_kek, wrapped, aad in (
        (KeyMaterial.generate(32), GOLDEN, AAD),
        (kek, GOLDEN, AAD[:-1]),
        (kek, GOLDEN[:-1] + b"\x00", AAD),
        (kek, b"", AAD),
    ):
        with pytest.raises(UnwrapFailed) as refusal:
            unwrap(other_kek, wrapped, aad=aad)
        texts.add((refusal.value.code, refusal.value.detail))
    assert len(texts) == 1
    assert next(iter(texts))[0] == "integrity_failed"


@pytest.mark.parametrize("size", [16, 24, 33])
def test_a_kek_has_32_bytes(size):
    kek = KeyMaterial.generate(size)
    with pytest.raises(ValueError, match="32 bytes"):
        wrap(kek, KeyMaterial.generate(32), aad=AAD)
    with pytest.raises(ValueError, match="32 bytes"):
        unwrap(kek, GOLDEN, aad=AAD)


def test_a_binding_is_the_label_and_each_part_behind_its_length():
    assert binding("cc/kv/v1", b"a", b"", b"bc") == AAD
    assert binding("cc/kv/v1") == b"cc/kv/v1\x00"


parts = st.lists(st.binary(max_size=4), max_size=4)
labels = st.sampled_from(["cc/kv/v1", "cc/sys/v1", "cc/kv/v11"])


@given(labels, parts, labels, parts)
def test_two_different_lists_never_give_one_binding(label, one, other_label, other):
    same = (label, one) == (other_label, other)
    assert (binding(label, *one) == binding(other_label, *other)) is same


def test_a_part_too_long_for_its_length_field_is_refused():
    assert len(binding("x", bytes(65_535))) == 65_539
    with pytest.raises(OverflowError):
        binding("x", bytes(65_536))


def test_the_shortest_key_is_one_byte(kek):
    wrapped = wrap(kek, KeyMaterial(b"k", least=1), aad=AAD)
    assert unwrap(kek, wrapped, aad=AAD).expose() == b"k"
    with pytest.raises(UnwrapFailed):
        unwrap(kek, wrapped[:-1], aad=AAD)
