from typing import Self

from kernel.errors import Conflict, Refused


class KeyNotActive(Conflict):
    """The key's state forbids protecting (encrypting) and rotating. ``extra`` has ``state`` and ``key_status``."""

    code = "key_not_active"
    title = "The key is not active"


class KeyNotUsable(Conflict):
    """The state of the key or of the version forbids processing (decrypting)."""

    code = "key_not_usable"
    title = "The key cannot be used"


class CannotProtect(Conflict):
    """Keys of the algorithm process existing data only, in every state."""

    code = "key_cannot_protect"
    title = "The key cannot protect new data"

    def __init__(self, algorithm: str) -> None:
        super().__init__(
            f"Keys of type {algorithm} only work for existing data. Use another key for new data."
        )


class PrivateKeyMissing(Conflict):
    """Only the public key was imported."""

    code = "private_key_missing"
    title = "The key has no private key"

    def __init__(self) -> None:
        super().__init__("Only the public key is on this server. It can verify, encrypt or encapsulate.")


class NotExportable(Conflict):
    code = "key_not_exportable"
    title = "The key cannot be exported"

    def __init__(
        self, detail: str = "The key was not created as exportable, and this cannot be changed."
    ) -> None:
        super().__init__(detail)


class IllegalTransition(Conflict):
    code = "illegal_transition"
    title = "The key cannot change to this state"


class PolicyInUse(Conflict):
    code = "policy_in_use"
    title = "Keys have this policy"

    def __init__(self, keys_count: int) -> None:
        has = "1 key has" if keys_count == 1 else f"{keys_count} keys have"
        super().__init__(
            f"{has} this policy. Disable it instead, so that it accepts no new keys.",
            extra={"keys_count": keys_count},
        )


class PolicyViolated(Refused):
    """An encryption policy forbids the key, the change or the use."""

    title = "The encryption policy forbids this"

    @classmethod
    def of_field(cls, name: str, message: str) -> Self:
        """The refusal of one input field."""
        return cls(f"{name}: {message}", fields={name: [message]})


class UsageLimitReached(Refused):
    """The version has sealed as many messages as its nonces allow (NIST SP 800-38D §8.3)."""

    code = "usage_limit_reached"
    title = "The key version has reached its usage limit"
