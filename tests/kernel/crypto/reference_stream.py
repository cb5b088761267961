"""A second implementation of streams, from their specification and our documentation alone."""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

CHUNK_SIZE = 16 * 1024
SEALED_CHUNK = CHUNK_SIZE + 16
HEADER_SIZE = 22


class Reference:
    """C2SP chunked-encryption with AES-256-GCM, implemented independently from its specification, for any
    hash.

    The published vectors use SHA-256; Cobblestone is the same construction with SHA-512. The vectors verify
    this class, and this class verifies our streams.
    """

    def __init__(self, algorithm, key, salt, context):
        info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + salt + context
        derived = HKDFExpand(algorithm, 32 + 12 + 32, info).derive(key)
        self.key, self.nonce, self.commitment = derived[:32], derived[32:44], derived[44:]
        self.aead = AESGCM(self.key)

    def nonce_of(self, number):
        return (int.from_bytes(self.nonce) ^ number).to_bytes(12)

    def open(self, octets):
        """Return the plaintext. Raises InvalidTag."""
        if octets[24:56] != self.commitment:
            raise InvalidTag
        chunks = [octets[at : at + SEALED_CHUNK] for at in range(56, len(octets), SEALED_CHUNK)]
        if not chunks or len(chunks[-1]) == SEALED_CHUNK:
            raise InvalidTag
        return b"".join(self.aead.decrypt(self.nonce_of(n), each, b"") for n, each in enumerate(chunks))

    def seal(self, salt, plaintext):
        chunks = [plaintext[at : at + CHUNK_SIZE] for at in range(0, len(plaintext) + 1, CHUNK_SIZE)]
        sealed = [self.aead.encrypt(self.nonce_of(n), each, b"") for n, each in enumerate(chunks)]
        return b"".join([salt, self.commitment, *sealed])


def open_stream(octets, material, aad=b""):
    """The plaintext of a stream under a key with this material (docs/ciphertext-format.md). Raises InvalidTag."""
    form, suite, key_id, version = struct.unpack_from(">BB16sI", octets)
    assert (form, suite) == (1, 0x20)
    subkey = HKDF(SHA256(), length=32, salt=None, info=b"cc/sub/v1\x00stream").derive(material)
    context = b"cc/msg/v1\x00" + key_id + struct.pack(">IBI", version, suite, len(aad)) + aad
    body = octets[HEADER_SIZE:]
    return Reference(SHA512(), subkey, body[:24], context).open(body)
