"""The one authorization decision: may this principal do this with that object, and by which rule.

The API, the pages, the services, the in-memory keyring and the fast path all call ``authorize``. The querysets'
``visible_to`` express the same rules as conditions; a test compares the two. Everything that the decision needs is in
memory, so it costs no query. It depends only on rows whose epochs the principal's and the object's stamps carry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from accounts.roles import Rights
from kernel.http.addresses import Networks
from kernel.identities import Identity

READ_KEYS = "keys.read"


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """The limits of a service token. ``key_ids`` is None if the token is good for all keys of its owner."""

    token_id: UUID
    scopes: frozenset[str]
    key_ids: frozenset[UUID] | None
    networks: Networks

    @property
    def rule(self) -> str:
        return f"token:{self.token_id}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``rule`` identifies the rule that decided. ``ends_at`` is the time at which an allowing rule ends.

    Rules are ``role:<role>``, ``owner``, ``grant:<id>``, ``token:<id>`` and ``no-grant``.
    """

    is_allowed: bool
    rule: str
    ends_at: datetime | None = None


OWNER = Verdict(True, "owner")
NO_GRANT = Verdict(False, "no-grant")


@dataclass(frozen=True, slots=True)
class Grant:
    """Operations with one key, or with all keys with a tag, for an identity or a role, until ``verdict.ends_at``.

    ``operations`` are permissions, such as ``crypto.encrypt``. A grant also allows reading the key's metadata, from
    every network. ``verdict`` is that of each operation that it covers.
    """

    verdict: Verdict
    operations: frozenset[str]
    networks: Networks

    def covers(self, permission: str, now: datetime | None, client_ip: str) -> bool:
        ends_at = self.verdict.ends_at
        if ends_at is not None and (now is None or ends_at <= now):
            return False
        if permission == READ_KEYS:
            return True
        return permission in self.operations and self.networks.include(client_ip)


class _Holder(Protocol):
    """The facts about a principal that the decision needs."""

    @property
    def identity(self) -> Identity: ...
    @property
    def rights(self) -> Rights: ...
    @property
    def permissions(self) -> frozenset[str]: ...
    @property
    def limits(self) -> TokenLimits | None: ...


class _Protected(Protocol):
    """An object that its owner and the holders of grants may use: a key."""

    @property
    def protected_id(self) -> UUID: ...
    @property
    def owner(self) -> Identity: ...
    @property
    def grants(self) -> Mapping[str, Sequence[Grant]]:
        """By holder: an identity's ``entity``, or ``role_holder``."""
        ...


def role_holder(role: str) -> str:
    """The holder of grants to everyone with the role. The holder of other grants is an identity's ``entity``."""
    return f"role:{role}"


@lru_cache(64)  # there are few roles
def _by_role(role: str, *, is_allowed: bool) -> Verdict:
    return Verdict(is_allowed, f"role:{role}")


def authorize(
    principal: _Holder,
    permission: str,
    protected: _Protected | None = None,
    *,
    now: datetime | None = None,
    client_ip: str = "",
) -> Verdict:
    """Decide. Without ``protected``, the decision is whether the principal has the permission on any object.

    ``client_ip`` is the canonical address of the request, for grants that are limited to networks. Without ``now``, no
    grant that expires allows anything.
    """
    limits, rights = principal.limits, principal.rights
    if permission not in principal.permissions:
        if limits is not None and permission in rights.permissions:
            return Verdict(False, limits.rule)
        return _by_role(rights.role, is_allowed=False)
    if protected is None:
        return _by_role(rights.role, is_allowed=True)
    return _authorize_use(principal, permission, protected, now, client_ip)


def is_within_reach(principal: _Holder, protected: _Protected, now: datetime) -> bool:
    """Whether the object exists for the principal: whether they could read it if their token had the scope.

    A token needs no ``keys.read`` to use a key.
    """
    return _authorize_use(principal, READ_KEYS, protected, now, "").is_allowed


def _authorize_use(
    principal: _Holder, permission: str, protected: _Protected, now: datetime | None, client_ip: str
) -> Verdict:
    """Decide for a principal who has the permission."""
    limits, identity, rights = principal.limits, principal.identity, principal.rights
    if limits is not None and limits.key_ids is not None and protected.protected_id not in limits.key_ids:
        return Verdict(False, limits.rule)
    if permission in rights.on_all:
        return _by_role(rights.role, is_allowed=True)
    if protected.owner == identity:
        return OWNER
    for holder in (identity.entity, role_holder(rights.role)):
        for grant in protected.grants.get(holder, ()):
            if grant.covers(permission, now, client_ip):
                return grant.verdict
    return NO_GRANT
