"""Bounds of what pages of the console read."""

import pytest

from console.first_key.forms import DecryptBackForm
from console.key_encryption import copies


def test_a_file_of_64_kibibytes_at_most_is_read_as_a_copy(tmp_path):
    path = tmp_path / "kek"
    for size, content in ((64 * 1024, b"x" * 64 * 1024), (64 * 1024 + 1, b"")):
        path.write_bytes(b"x" * size)
        assert copies._read(path) == content


@pytest.mark.parametrize(("size", "is_too_long"), [(8000, False), (8001, True)])
def test_a_first_ciphertext_has_8000_characters_at_most(size, is_too_long):
    form = DecryptBackForm({"ciphertext": "x" * size})
    assert ("at most 8000 characters" in str(form.errors)) is is_too_long
