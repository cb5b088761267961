"""What the core refuses. The texts say nothing that depends on key bytes or plaintext."""

from ciphercanary.errors import Invalid, Unavailable


class MalformedCiphertext(Invalid):
    """The form is wrong before any key is touched: prefix, alphabet, suite or a length."""

    code = "malformed_ciphertext"
    title = "The ciphertext is malformed"

    def __init__(
        self, detail: str = "The text is not a complete cc1 ciphertext in canonical base64url."
    ) -> None:
        super().__init__(detail)


class DecryptionFailed(Invalid):
    """Wrong key, wrong aad and altered ciphertext share one text: telling them apart would be an oracle."""

    code = "decryption_failed"
    title = "Decryption failed"

    def __init__(self) -> None:
        super().__init__(
            "The ciphertext cannot be decrypted. The key, version, algorithm or aad is wrong, "
            "or the ciphertext was altered."
        )


class UnsupportedAlgorithm(Invalid):
    """The name is not in the allow-list, or does not fit the key."""

    code = "unsupported_algorithm"
    title = "The algorithm is not supported"


class UnwrapFailed(Unavailable):
    """A wrapped key does not open under the key-encryption key and the binding it should have."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("A stored key could not be unwrapped and was not used. Contact an administrator.")


class MacMismatch(Unavailable):
    """A MAC made here does not hold over what is stored now."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("Stored data was altered and was not used. Contact an administrator.")


class SignatureInvalid(Unavailable):
    """A signature does not verify. Whoever checks one from outside catches this and answers in his own words."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("A stored signature is not valid. Contact an administrator.")
