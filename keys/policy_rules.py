"""Rules of a policy for its keys. Raises PolicyViolated with the field."""

from datetime import datetime, timedelta

from django.template.defaultfilters import pluralize

from keys.errors import PolicyViolated
from keys.models import EncryptionPolicy, Key


def take_over(policy: EncryptionPolicy, key: Key) -> None:
    """Set the policy of a key, and its cryptoperiod if it has none. Raises PolicyViolated.

    The cryptoperiod (NIST SP 800-57 part 1, §5.3) runs from the activation, or from the creation.
    """
    if not policy.is_active:
        raise PolicyViolated.of_field("policy_id", "This policy is not active and accepts no keys.")
    if key.algorithm != policy.algorithm:
        raise PolicyViolated.of_field("algorithm", f"The policy requires {policy.algorithm}.")
    if not set(key.modes) & set(policy.allowed_modes):
        raise PolicyViolated.of_field(
            "purpose", "The policy allows none of the modes of a key for this purpose."
        )
    key.policy = policy
    if key.expires_at is None:
        key.expires_at = latest_expiry(policy, key)
    check_expiry(policy, key)
    check_rotation_period(policy, key)
    if key.exportable and not policy.exportable:
        raise PolicyViolated.of_field("exportable", "The policy does not allow export.")


def check_expiry(policy: EncryptionPolicy, key: Key) -> None:
    """Raises PolicyViolated."""
    latest = latest_expiry(policy, key)
    if latest is not None and (key.expires_at is None or key.expires_at > latest):
        days = _days(policy.key_lifetime_days)
        raise PolicyViolated.of_field(
            "expires_at", f"The policy allows {days}: until {latest:%Y-%m-%dT%H:%M:%SZ} at most."
        )


def check_rotation_period(policy: EncryptionPolicy, key: Key) -> None:
    """Raises PolicyViolated."""
    period = policy.rotation.every_days
    if period is not None and key.rotation_period_days is not None and key.rotation_period_days > period:
        raise PolicyViolated.of_field("rotation_period_days", f"The policy allows at most {_days(period)}.")


def _days(number: int | None) -> str:
    return f"{number} day{pluralize(number)}"


def latest_expiry(policy: EncryptionPolicy, key: Key) -> datetime | None:
    if policy.key_lifetime_days is None:
        return None
    return (key.activates_at or key.created_at) + timedelta(days=policy.key_lifetime_days)


def required_by_setting() -> PolicyViolated:
    """The refusal of a key without a policy under ``CC_REQUIRE_POLICY``."""
    return PolicyViolated.of_field("policy_id", "Every key needs a policy on this server. Choose one.")
