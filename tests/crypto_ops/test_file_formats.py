"""Files of jobs, commands and clients open with each other."""

import base64
import hashlib
import struct
from functools import partial

import pytest
from cryptography.cobblestone import Cobblestone256Encryptor
from django.core.management import CommandError, call_command

from tests.audit.exports.exporting import work
from tests.crypto_ops.file_jobs import (
    PLAINTEXT,
    TO_DECRYPT,
    code,
    content,
    to_encrypt,
    uploaded,
)
from tests.crypto_ops.stream_client import DECRYPT
from tests.kernel.crypto.reference_stream import open_stream
from tests.kernel.ring import ring  # noqa: F401 - a fixture
from tests.personas import b64


@pytest.fixture
def enveloped(bench):
    """A function that encrypts as the documented format does, with a data key of a key of this type."""
    return partial(encrypted_with, bench)


def encrypted_with(bench, plaintext, aad=b"", algorithm="aes-256"):
    key = bench.key(algorithm, name=f"envelopes-{algorithm}")
    made = bench.persona.api.post("/api/v1/data-keys", {"key_id": key["id"], "bits": 256}).json
    text = made["ciphertext"].removeprefix("cc1.")
    ciphertext = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    header = b"\x02\x20" + struct.pack(">H", len(ciphertext)) + ciphertext
    context = b"cc/env/v1\x00" + header + struct.pack(">I", len(aad)) + aad
    encryptor = Cobblestone256Encryptor(base64.b64decode(made["plaintext"]), context)
    return header + encryptor.update(plaintext) + encryptor.finalize()


def test_data_under_a_data_key_is_decrypted(interface, bench, enveloped):
    octets = enveloped(PLAINTEXT, b"order 7")
    assert interface.post(DECRYPT, octets, X_AAD=b64(b"order 7")).content == PLAINTEXT
    assert code(interface.post(DECRYPT, octets)) == (400, "decryption_failed")
    job_id = uploaded(interface.post(TO_DECRYPT, octets, X_AAD=b64(b"order 7")))
    work()
    assert content(bench, job_id) == PLAINTEXT


def test_data_that_anyone_with_a_public_key_can_make_is_refused(interface, enveloped):
    octets = enveloped(b"forged", algorithm="x25519-ml-kem-768")
    assert code(interface.post(DECRYPT, octets)) == (400, "unsupported_algorithm")


@pytest.mark.parametrize(
    ("at", "expected"),
    [(5, "malformed_ciphertext"), (30, "decryption_failed"), (-1, "decryption_failed")],
    ids=["mode", "sealed data key", "last tag"],
)
def test_altered_data_under_a_data_key_is_refused(rest, enveloped, at, expected):
    octets = bytearray(enveloped(b"four"))
    octets[at] ^= 0x80
    assert code(rest.post(DECRYPT, bytes(octets))) == (400, expected)


def test_a_file_of_a_job_opens_with_the_command_and_the_other_way_round(rest, bench, key, tmp_path, capsys):
    plain, sealed, back = tmp_path / "plain", tmp_path / "sealed", tmp_path / "back"
    plain.write_bytes(PLAINTEXT)
    call_command("encrypt_file", "bench-aes-256", str(plain), str(sealed), aad="order 7")
    assert hashlib.sha256(sealed.read_bytes()).hexdigest() in capsys.readouterr().out
    assert rest.post(DECRYPT, sealed.read_bytes(), X_AAD=b64(b"order 7")).content == PLAINTEXT
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT))
    work()
    sealed.write_bytes(content(bench, job_id))
    call_command("decrypt_file", str(sealed), str(back))
    assert (back.read_bytes(), oct(back.stat().st_mode)[-3:]) == (PLAINTEXT, "600")


def test_a_second_implementation_opens_the_file_of_a_job_and_of_the_command(rest, bench, tmp_path):
    key = bench.key(exportable=True)
    export = bench.persona.api.post(f"/api/v1/keys/{key['id']}/export", {"reason": "a second implementation"})
    material = base64.b64decode(export.json["versions"][0]["material"])
    job_id = uploaded(rest.post(to_encrypt(key), PLAINTEXT, X_AAD=b64(b"order 7")))
    work()
    assert open_stream(content(bench, job_id), material, b"order 7") == PLAINTEXT
    plain, sealed = tmp_path / "plain", tmp_path / "sealed"
    plain.write_bytes(PLAINTEXT)
    call_command("encrypt_file", key["name"], str(plain), str(sealed))
    assert open_stream(sealed.read_bytes(), material) == PLAINTEXT


def test_a_command_writes_a_complete_file_or_none(bench, key, tmp_path):
    sealed, back = tmp_path / "sealed", tmp_path / "back"
    sealed.write_bytes(b"no stream")
    with pytest.raises(CommandError, match="does not start with a stream header"):
        call_command("decrypt_file", str(sealed), str(back))
    with pytest.raises(CommandError, match="does not exist"):
        call_command("encrypt_file", "missing", str(sealed), str(back))
    with pytest.raises(CommandError, match="already exists"):
        call_command("decrypt_file", str(back), str(sealed))
    assert [path.name for path in tmp_path.iterdir()] == ["sealed"]
