"""Bounds of what pages of the console read."""

from console.key_encryption import copies


def test_a_file_of_64_kibibytes_at_most_is_read_as_a_copy(tmp_path):
    path = tmp_path / "kek"
    for size, content in ((64 * 1024, b"x" * 64 * 1024), (64 * 1024 + 1, b"")):
        path.write_bytes(b"x" * size)
        assert copies._read(path) == content
