"""Identities: who acts, owns and is charged. A principal is an identity with its rights; an actor is an identity in
the log.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Self
from uuid import UUID


class IdentityType(StrEnum):
    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    SYSTEM = "system"  # the application and its commands


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, a service account or the system. The ids of users and service accounts are random, so no two are equal.

    ``id`` is None for the system only. ``entity`` is the entity, as in ``kernel.freshness.stamps``, of the identity
    with its rights and sessions. ``budget`` is the name of the request budget.
    """

    type: IdentityType
    id: UUID | None
    # Each request uses both several times.
    entity: str = field(init=False, repr=False, compare=False)
    budget: str = field(init=False, repr=False, compare=False)

    SYSTEM: ClassVar["Identity"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "entity", f"{self.type}:{self.id}")
        object.__setattr__(self, "budget", str(self.id))

    @classmethod
    def user(cls, user_id: UUID) -> Self:
        return cls(IdentityType.USER, user_id)

    @classmethod
    def service_account(cls, account_id: UUID) -> Self:
        return cls(IdentityType.SERVICE_ACCOUNT, account_id)

    @property
    def user_id(self) -> UUID | None:
        """The id of a user; None for other identities."""
        return self.id if self.type is IdentityType.USER else None

    @property
    def service_account_id(self) -> UUID | None:
        """The id of a service account; None for other identities."""
        return self.id if self.type is IdentityType.SERVICE_ACCOUNT else None


Identity.SYSTEM = Identity(IdentityType.SYSTEM, None)


def parse_uuid(text: str) -> UUID | None:
    """The id that the text spells, in lower case with hyphens; None for any other text."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None
