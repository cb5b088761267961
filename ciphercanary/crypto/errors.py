"""Errors of the cryptographic core. Their texts never depend on key bytes or plaintext."""

from ciphercanary.errors import Invalid, Unavailable


class MalformedCiphertext(Invalid):
    """The form is wrong (prefix, alphabet, suite or a length). Raised before any key is used."""

    code = "malformed_ciphertext"
    title = "The ciphertext is malformed"

    def __init__(
        self, detail: str = "The text is not one complete cc1 ciphertext in canonical base64url."
    ) -> None:
        super().__init__(detail)


class DecryptionFailed(Invalid):
    """Wrong key, wrong aad and altered ciphertext share one text, because a distinction would be an oracle."""

    code = "decryption_failed"
    title = "Decryption failed"

    def __init__(self) -> None:
        super().__init__(
            "The ciphertext does not open: the key, version, algorithm or aad is not the one it was made with, "
            "or it was altered."
        )


class UnsupportedAlgorithm(Invalid):
    """The name is not in the allow list, or does not fit the key."""

    code = "unsupported_algorithm"
    title = "The algorithm is not supported"


class UnwrapFailed(Unavailable):
    """A wrapped key does not open under the expected key-encryption key and binding."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__(
            "A stored key could not be unwrapped. It was not used; an administrator must look at it."
        )


class MacMismatch(Unavailable):
    """A MAC computed by this service does not match the stored data."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("Stored data was altered. It was not used; an administrator must look at it.")


class SignatureInvalid(Unavailable):
    """A signature does not verify. Code that verifies external signatures catches this and raises its own error."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("A stored signature does not verify; an administrator must look at it.")
