"""The rotation rules of an encryption policy: validation of the JSON document, and what follows from it. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Self

from kernel.errors import Invalid

MAX_DAYS: Final = 3650
# Rotate a version before its invocations end at 0.9 * 2**32 (NIST SP 800-38D §8.3).
MAX_USES: Final = 2**31
MAX_BYTES: Final = 2**60

_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "every_days": (1, MAX_DAYS),
    "after_uses": (1, MAX_USES),
    "after_bytes": (1, MAX_BYTES),
    "grace_days": (0, MAX_DAYS),
}


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """Rotation and grace period of keys.

    A key is due for rotation if its primary version is ``every_days`` old, or has sealed ``after_uses`` messages or
    ``after_bytes`` bytes. ``grace_days`` after its replacement, a version no longer decrypts; with ``reencrypt`` it
    may still be opened to encrypt the message again. None: no such rule.
    """

    every_days: int | None = None
    after_uses: int | None = None
    after_bytes: int | None = None
    grace_days: int | None = None
    reencrypt: bool = False

    @classmethod
    def parse(cls, document: object) -> Self:
        """From the JSON document of the API. Raises Invalid, which names the member."""
        if not isinstance(document, dict):
            raise Invalid.of_field("rotation_policy", "Must be an object.")
        names = [field.name for field in fields(cls)]
        if unknown := sorted(map(str, set(document) - set(names))):
            raise _invalid(f"Unknown member {unknown[0]}. Use: {', '.join(names)}.")
        for name, (lowest, highest) in _RANGES.items():
            _check_number(name, document.get(name), lowest, highest)
        if not isinstance(document.get("reencrypt", False), bool):
            raise _invalid("reencrypt must be true or false.")
        policy = cls(**document)
        if policy.reencrypt and policy.grace_days is None:
            raise _invalid("reencrypt needs grace_days: without them, earlier versions decrypt without end.")
        return policy

    def document(self) -> dict[str, Any]:
        """The JSON document, without rules that are not set."""
        return {
            name: value for name, value in asdict(self).items() if value is not None and value is not False
        }

    @property
    def is_of_encryption(self) -> bool:
        """Whether a rule is about encrypted messages."""
        return self.reencrypt or self.after_uses is not None or self.after_bytes is not None

    def is_stricter_than(self, other: "RotationPolicy") -> bool:
        """Whether it lets earlier versions decrypt for a shorter time than ``other``, or no longer be re-encrypted."""
        if self.grace_days is None:
            return False
        if other.grace_days is None:
            return True
        return self.grace_days < other.grace_days or self.ends_reencryption_of(other)

    def ends_reencryption_of(self, other: "RotationPolicy") -> bool:
        """Whether ``other`` still allows earlier versions to be re-encrypted after the grace period, and this does not."""
        return self.grace_days is not None and other.reencrypt and not self.reencrypt

    def grace_end(self, replaced_at: datetime) -> datetime | None:
        """The time at which a replaced version stops decrypting; None: never."""
        return None if self.grace_days is None else replaced_at + timedelta(days=self.grace_days)


def _check_number(name: str, value: object, lowest: int, highest: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise _invalid(f"{name} must be a whole number from {lowest} to {highest}.")


def _invalid(fault: str) -> Invalid:
    return Invalid.of_field("rotation_policy", fault)
