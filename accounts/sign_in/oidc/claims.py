"""A person as the provider describes them: pure functions of verified claims."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_NOT_IN_USERNAME = re.compile(r"[^a-z0-9._@+-]+", re.ASCII)
LONGEST_USERNAME = 64
_LONGEST_METHODS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdentity:
    """``role`` is empty if no value of the role claim is mapped. ``authenticated_at`` is None if it is unknown."""

    issuer: str
    subject: str
    username: str
    role: str
    methods: str
    authenticated_at: datetime | None


def read_identity(claims: Mapping[str, Any], role_claim: str, roles: Sequence[str]) -> ExternalIdentity:
    methods = claims.get("amr")
    at = claims.get("auth_time")
    return ExternalIdentity(
        issuer=claims["iss"],
        subject=claims["sub"],
        username=username_of(claims),
        role=role_of(values_of(claims, role_claim), roles),
        methods=" ".join(map(str, methods))[:_LONGEST_METHODS] if isinstance(methods, list) else "",
        authenticated_at=_timestamp(at) if isinstance(at, int | float) else None,
    )


def values_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a claim: a name (which may contain dots), or a path such as ``realm_access.roles``."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str)]


def role_of(values: Sequence[str], roles: Sequence[str]) -> str:
    """The role of the first pair ``value=role`` whose value the person has; otherwise ""."""
    for value, role in map(split_pair, roles):
        if value in values:
            return role
    return ""


def split_pair(pair: str) -> tuple[str, str]:
    """The value and the role. A value may contain ``=``."""
    value, _, role = pair.rpartition("=")
    return value.strip(), role.strip()


def username_of(claims: Mapping[str, Any]) -> str:
    """A valid username from the claims. Only a proposal: it identifies no user."""
    for name in ("preferred_username", "email"):
        text = claims.get(name)
        cleaned = _NOT_IN_USERNAME.sub("-", text.lower()).lstrip("._@+-") if isinstance(text, str) else ""
        if cleaned:
            return cleaned[:LONGEST_USERNAME]
    return "user"


def _timestamp(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
