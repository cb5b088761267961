"""Validation of a key's description, tags, expiry and rotation period; algorithms of keys. Errors have the field."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kernel.crypto.algorithms import (
    ALGORITHM_NAMES,
    PURPOSES,
    TRANSIT_ALGORITHMS,
    find_key_algorithms,
    is_deterministic,
)
from kernel.crypto.transit_types import type_of
from kernel.errors import Invalid
from kernel.labels import label_fault, prose_fault

MAX_DESCRIPTION: Final = 1000
MAX_TAGS: Final = 20
MAX_TAG: Final = 64
MAX_ROTATION_PERIOD: Final = 3650  # days
MAX_VERSION: Final = 2**31 - 1  # the limit of the version columns
# Of all keys: those that the API creates, and transit keys.
STORED_ALGORITHMS: Final = (*ALGORITHM_NAMES, *(kind.name for kind in TRANSIT_ALGORITHMS))
STORED_PURPOSES: Final = (*PURPOSES, "transit")


def check_description(description: str) -> None:
    if fault := prose_fault(description, MAX_DESCRIPTION):
        raise Invalid.of_field("description", fault)


def check_tags(tags: Sequence[str]) -> None:
    if len(tags) > MAX_TAGS or len(set(tags)) != len(tags):
        raise Invalid.of_field("tags", f"Use at most {MAX_TAGS} tags, without duplicates.")
    for number, tag in enumerate(tags, start=1):
        if fault := label_fault(tag, MAX_TAG):
            raise Invalid.of_field("tags", f"Tag {number}: {fault}")


def check_rotation_period(days: int | None, algorithm: str) -> None:
    """Deterministic keys rotate by hand only, because equal data must keep giving equal ciphertexts."""
    if days is not None and is_deterministic(algorithm):
        raise Invalid.of_field(
            "rotation_period_days", f"Keys of type {algorithm} do not rotate automatically."
        )
    if days is not None and not 1 <= days <= MAX_ROTATION_PERIOD:
        raise Invalid.of_field("rotation_period_days", f"Must be 1 to {MAX_ROTATION_PERIOD} days, or null.")


def check_expiry(expires_at: datetime | None, activates_at: datetime | None, now: datetime) -> None:
    """The expiry must be in the future, and after the activation."""
    if expires_at is None:
        return
    if expires_at <= now:
        raise Invalid.of_field("expires_at", "Must be in the future.")
    if activates_at is not None and expires_at <= activates_at:
        raise Invalid.of_field("expires_at", "Must be after activates_at.")


def stored_name(algorithm: str) -> str:
    """The name in stored keys of an algorithm or alias. Raises UnsupportedAlgorithm."""
    return algorithm if type_of(algorithm) else find_key_algorithms(algorithm)[0].name
