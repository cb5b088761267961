"""Bounds of what is typed into the page Try it, and of the files that are uploaded."""

import pytest

from crypto_ops.files import forms as file_forms
from crypto_ops.files import uploads
from crypto_ops.trying.issuing_forms import TRIAL_FORMS
from keys.models import Key
from tests.factories import KeyFactory
from tests.personas import b64


@pytest.mark.parametrize(
    ("algorithm", "purpose", "operation", "field", "largest"),
    [
        ("aes-256", "encrypt", "encrypt", "input", 64 * 1024),
        ("aes-256", "encrypt", "encrypt", "aad", 64 * 1024),
        ("ed25519", "sign", "sign", "input", 64 * 1024),
        ("ed25519", "sign", "verify", "proof", 8192),
        ("hmac-sha256", "mac", "verify", "proof", 64),
        ("ml-kem-768", "encapsulate", "decapsulate", "input", 1568),
        ("x25519", "agree", "agree", "input", 2048),
    ],
)
def test_an_input_has_a_bounded_number_of_bytes(algorithm, purpose, operation, field, largest):
    key = Key(algorithm=algorithm, purpose=purpose, state="active", modes=["aes-256-gcm"])
    for size in (largest, largest + 1):
        typed = {"operation": operation, "input": "QQ==", "input_format": "base64", "aad_format": "base64"}
        form = TRIAL_FORMS[key.purpose](typed | {field: b64(bytes(size))}, key=key)
        form.full_clean()
        faults = str(form.errors.get(field, ""))
        assert ("Too long" in faults or f"at most {largest} bytes" in faults) is (size > largest), faults


@pytest.mark.parametrize(("size", "is_too_long"), [(96 * 1024, False), (96 * 1024 + 1, True)])
def test_a_ciphertext_has_96_kibibytes_at_most(size, is_too_long):
    key = Key(algorithm="aes-256", purpose="encrypt", state="active", modes=["aes-256-gcm"])
    typed = {"operation": "decrypt", "input": "cc1." + "A" * (size - 4), "aad": ""}
    form = TRIAL_FORMS[key.purpose](typed, key=key)
    form.full_clean()
    assert ("Too long" in str(form.errors)) is is_too_long


def test_the_name_of_a_file_is_cut_to_255_characters():
    assert uploads._plain_name("x" * 256) == "x" * 255


def test_a_bounded_number_of_keys_is_offered_for_a_file(admin, monkeypatch):
    monkeypatch.setattr(file_forms, "_MAX_KEYS", 2)
    names = [KeyFactory(name=name).name for name in ("key-a", "key-b", "key-c")]
    form = file_forms.FileKeyForm(admin.principal)
    assert [name for name, _ in form.fields["key"].choices if name] == names[:2]
