"""Sealed documents of the application: padding, bounds of size, and refusal of every alteration."""

import pytest

from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.material import KeyMaterial
from kernel.crypto.sealing.document import DocumentCipher, capacity

SIZE = 256
CIPHER = DocumentCipher(KeyMaterial(bytes(32)))


@pytest.mark.parametrize("length", [0, 1, capacity(SIZE)])
def test_document_returns_from_its_padded_form(length: int) -> None:
    document = b"\0" * length
    sealed = CIPHER.seal(document, size=SIZE, aad=b"page 1")
    assert len(sealed) == SIZE == capacity(SIZE) + 1 + 12 + 4 + 16
    assert CIPHER.open(sealed, aad=b"page 1") == document
    assert CIPHER.seal(document, size=SIZE, aad=b"page 1") != sealed


def test_document_beyond_its_space_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than its space"):
        CIPHER.seal(bytes(capacity(SIZE) + 1), size=SIZE, aad=b"")


@pytest.mark.parametrize("size", [16, 31, 33])
def test_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        DocumentCipher(KeyMaterial(bytes(size)))


def test_altered_form_cut_end_other_key_and_other_place_do_not_open() -> None:
    sealed = CIPHER.seal(b"document", size=SIZE, aad=b"page 1")
    for altered in (
        b"",
        sealed[:5],
        sealed[:32],
        sealed[:-1],
        b"\x02" + sealed[1:],
        sealed[:40] + bytes(216),
    ):
        with pytest.raises(UnwrapFailed):
            CIPHER.open(altered, aad=b"page 1")
    with pytest.raises(UnwrapFailed):
        CIPHER.open(sealed, aad=b"page 2")
    with pytest.raises(UnwrapFailed):
        DocumentCipher(KeyMaterial(bytes([1]) * 32)).open(sealed, aad=b"page 1")
