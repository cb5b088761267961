import copy
import dataclasses
import json
import logging
import pickle
import traceback

import pytest

from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import aead
from kernel.crypto.sealing.cbc_hmac import AesCbcHmacSha512
from tests.kernel.crypto.conftest import AEAD_MODES
from tests.kernel.crypto.vector_files import octets, read_vectors

MARKER = b"MARKER-OF-32-BYTES-OF-A-TEST-KEY"


@pytest.fixture
def material():
    return KeyMaterial(MARKER)


@pytest.fixture(params=["material", "cipher", "cbc", "siv"])
def confidential(request, material):
    return {
        "material": lambda: material,
        "cipher": lambda: aead.Cipher(material, SEALING_MODES["aes-256-cbc-hmac-sha512"]),
        "cbc": lambda: AesCbcHmacSha512(MARKER * 2),
        "siv": lambda: aead._AesSiv(MARKER * 2),
    }[request.param]()


def test_expose_gives_the_bytes(material):
    assert material.expose() == MARKER


def test_material_keeps_its_bytes_when_the_buffer_it_came_from_changes():
    buffer = bytearray(MARKER)
    material = KeyMaterial(buffer)
    buffer[:] = bytes(32)
    assert material.expose() == MARKER


def test_generated_material_has_the_size_asked_for_and_is_never_the_same():
    keys = {KeyMaterial.generate(32).expose() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize("size", [0, 1, 15])
def test_material_too_short_to_be_a_key_is_refused(size):
    with pytest.raises(ValueError, match="at least 16 bytes"):
        KeyMaterial(bytes(size))


def test_nothing_that_prints_shows_key_bytes(confidential, caplog):
    logging.getLogger("test").warning("%s %r", confidential, confidential)
    shown = f"{confidential} {confidential!r} {confidential!s} {[confidential]} {caplog.text}"
    assert "MARKER" not in shown
    assert repr(confidential) == f"<{type(confidential).__name__}>"


def test_a_traceback_with_local_variables_shows_no_key_bytes(material):
    def fail(key):
        raise RuntimeError

    with pytest.raises(RuntimeError) as caught:
        fail(material)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "MARKER" not in "".join(shown.format())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(confidential, protocol):
    with pytest.raises(TypeError, match="holds key bytes"):
        pickle.dumps(confidential, protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_it_is_not_copied(confidential, duplicate):
    with pytest.raises(TypeError, match="holds key bytes"):
        duplicate(confidential)


def test_a_dataclass_that_holds_it_cannot_be_turned_into_a_dict(confidential):
    holder = dataclasses.make_dataclass("Holder", ["key"])(confidential)
    with pytest.raises(TypeError, match="holds key bytes"):
        dataclasses.asdict(holder)


def test_it_hands_out_no_state_and_takes_no_attributes(confidential):
    with pytest.raises(TypeError, match="holds key bytes"):
        confidential.__getstate__()
    with pytest.raises(TypeError):
        vars(confidential)
    with pytest.raises(AttributeError):
        confidential.note = "x"


@pytest.mark.parametrize("use", [bytes, len, list, hash, json.dumps, sorted, memoryview, "".join, b"".join])
def test_material_is_not_a_sequence_a_buffer_or_a_dict_key(material, use):
    with pytest.raises(TypeError):
        use(material)


def test_material_is_not_compared(material):
    with pytest.raises(TypeError, match="not compared"):
        material == KeyMaterial(MARKER)  # noqa: B015  # the comparison is what is tested
    with pytest.raises(TypeError, match="not compared"):
        material != MARKER  # noqa: B015  # the comparison is what is tested


def hkdf_vectors_without_salt():
    records = [
        record
        for path in ("KDF/rfc-5869-HKDF-SHA256.txt", "KDF/hkdf-generated.txt")
        for record in read_vectors(path)
    ]
    return [record for record in records if record["salt"] == ""]


def test_derive_is_hkdf_sha256_of_rfc_5869():
    records = hkdf_vectors_without_salt()
    assert len(records) == 2
    for record in records:
        derived = KeyMaterial(octets(record["ikm"])).derive(octets(record["info"]), int(record["l"]))
        assert derived.expose() == octets(record["okm"])


def test_a_subkey_is_hkdf_with_the_label_and_the_name_of_the_mode(material):
    subkey = material.subkey(SEALING_MODES["aes-256-gcm"])
    assert subkey.expose() == material.derive(b"cc/sub/v1\x00aes-256-gcm", 32).expose()


def test_no_two_modes_share_a_key(material):
    subkeys = {material.subkey(mode).expose()[:16] for mode in AEAD_MODES if mode.key_algorithm != "aes-128"}
    assert len(subkeys) == 5


def test_a_subkey_has_the_size_of_its_mode(mode):
    size = 16 if mode.key_algorithm == "aes-128" else 32
    assert len(KeyMaterial.generate(size).subkey(mode).expose()) == mode.subkey_size


def test_material_of_another_size_makes_no_subkey(mode):
    size = 32 if mode.key_algorithm == "aes-128" else 16
    with pytest.raises(ValueError, match=f"not a key for {mode.name}"):
        KeyMaterial.generate(size).subkey(mode)
