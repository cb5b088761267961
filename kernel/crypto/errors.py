"""The errors of the core. The texts say nothing that depends on key bytes or plaintext.

The base class and two of the kinds of ``kernel.errors`` are here because the core imports no other package of ours.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

type _FieldErrors = Mapping[str, Sequence[str]]


class DomainError(Exception):
    """A refusal with a stable code.

    ``detail`` is shown to the caller: it names the field or the state and the remedy, and never holds key
    bytes, plaintext, a password, a token or exception text. ``extra`` adds machine-readable members to the
    problem document; ``fields`` maps an input field to its messages. ``named_key``: of a refused item of a batch, what
    its ciphertext names, for the audit event.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    named_key: UUID | None = None

    def __init__(
        self, detail: str, *, fields: _FieldErrors | None = None, extra: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = dict(fields or {})
        self.extra = dict(extra or {})


class Invalid(DomainError):
    """The request is malformed or contradicts itself."""

    code = "invalid_request"
    title = "The request is not valid"

    @staticmethod
    def of_field(name: str, message: str) -> "Invalid":
        """The refusal of one input field."""
        return Invalid.of_fields({name: message})

    @staticmethod
    def of_fields(messages: Mapping[str, str]) -> "Invalid":
        """The refusal of input fields, at least one. The first message becomes the detail."""
        name, message = next(iter(messages.items()))
        return Invalid(f"{name}: {message}", fields={each: [text] for each, text in messages.items()})


class Unavailable(DomainError):
    """Something the response depends on is missing; the same request may succeed later."""

    code = "dependency_unavailable"
    title = "A dependency is unavailable"


class MalformedCiphertext(Invalid):
    """The form is wrong (prefix, alphabet, suite or a length). Raised before any key is used."""

    code = "malformed_ciphertext"
    title = "The ciphertext is malformed"

    def __init__(
        self, detail: str = "The text is not a complete cc1 ciphertext in canonical base64url."
    ) -> None:
        super().__init__(detail)


class DecryptionFailed(Invalid):
    """Wrong key, wrong aad and altered ciphertext share one text, because a distinction would be an oracle."""

    code = "decryption_failed"
    title = "Decryption failed"

    def __init__(self) -> None:
        super().__init__(
            "The ciphertext cannot be decrypted. The key, version, algorithm or aad is wrong, "
            "or the ciphertext was altered."
        )


class UnsupportedAlgorithm(Invalid):
    """The name is not in the allow list, or does not fit the key. ``field``: the input that names it, or the key."""

    code = "unsupported_algorithm"
    title = "The algorithm is not supported"

    def __init__(self, detail: str, *, field: str | None = "key_id") -> None:
        super().__init__(detail, fields={field: [detail]} if field else None)


class UnwrapFailed(Unavailable):
    """A wrapped key does not open under the expected key-encryption key and binding."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("A stored key could not be unwrapped and was not used. Contact an administrator.")


class MacMismatch(Unavailable):
    """A MAC computed by this service does not match the stored data."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("Stored data was altered and was not used. Contact an administrator.")


class SignatureInvalid(Unavailable):
    """A signature does not verify. Code that verifies external signatures catches this and raises its own error."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("A stored signature is not valid. Contact an administrator.")


class WrongKey(ValueError):
    """The document of a key is malformed, or contains a key of another type."""
