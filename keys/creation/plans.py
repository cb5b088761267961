"""Rotation and expiry of a new key, from the input of a form and the chosen policy. No database access."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel.crypto.algorithms import find_key_algorithm
from keys import policy_rules
from keys.errors import PolicyViolated
from keys.explanations import RECOMMENDED
from keys.lifecycle import next_rotation
from keys.models import EncryptionPolicy, Key


@dataclass(frozen=True, slots=True)
class _KeyPlan:
    """``problem``: why the policy forbids the key, "" if it does not."""

    policy: str
    every_days: int | None
    rotates_next: datetime | None
    expires_at: datetime | None
    problem: str


def plan_key(typed: Mapping[str, Any], policy: EncryptionPolicy | None, now: datetime) -> _KeyPlan:
    """``typed`` are the valid fields of the form."""
    kind = find_key_algorithm(typed.get("algorithm") or RECOMMENDED, typed.get("purpose"))
    key = Key(
        algorithm=kind.name,
        purpose=kind.purpose,
        modes=list(kind.modes),
        activates_at=typed.get("activates_at"),
        expires_at=typed.get("expires_at"),
        rotation_period_days=typed.get("rotation_period_days"),
        exportable=bool(typed.get("exportable")),
        created_at=now,
    )
    problem = ""
    if policy is not None:
        try:
            policy_rules.take_over(policy, key)
        except PolicyViolated as refusal:
            problem = " ".join(message for messages in refusal.fields.values() for message in messages)
    days = key.effective_rotation_days
    return _KeyPlan(policy.name if policy else "", days, next_rotation(days, now), key.expires_at, problem)
