"""The caller, as one immutable value that every interface passes to every service."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self
from uuid import UUID

from accounts.roles import PERMISSIONS, SYSTEM, roles_with, sees_all
from audit.log.events import Actor, Source
from kernel.errors import Denied, RecentAuthRequired, SecondFactorRequired, Unauthenticated
from kernel.freshness.stamps import EpochStamp
from kernel.rules import PermissionScope

RECENT = timedelta(minutes=10)
SIGNING_KEYS = "signing-keys"  # the entity, as in kernel.freshness.stamps, that every access token depends on


def user_entity(user_id: UUID) -> str:
    """The entity, as in ``kernel.freshness.stamps``, of a user with their role and sessions."""
    return f"user:{user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller.

    ``stamp`` holds the epochs that were read *before* the rows this value was built from. ``not_after`` is the
    time (aware UTC) at which the value expires. Both are None if they do not apply. ``must_enrol``: the role requires
    a second factor that the user has not set up; until then the caller has no permission.
    """

    actor: Actor
    user_id: UUID | None
    role: str
    permissions: frozenset[str]
    must_enrol: bool = False
    subject_version: int = 0
    family_id: UUID | None = None
    browser_session_id: UUID | None = None
    auth_time: datetime | None = None
    signing_kid: str = ""
    not_after: datetime | None = None
    stamp: EpochStamp | None = None

    is_authenticated: ClassVar[bool] = True

    @classmethod
    def system(cls, name: str, source: Source) -> Self:
        """The application itself (a command, a scheduled task), with every permission on all objects."""
        return cls(actor=Actor.system(name, source), user_id=None, role=SYSTEM, permissions=PERMISSIONS)

    @property
    def person_id(self) -> UUID:
        """The user's ID. Raises Denied if the caller is not a person, because some actions require an account."""
        if self.user_id is None:
            raise Denied("Only a user account can do this.")
        return self.user_id

    def has_permission(self, word: str) -> bool:
        return word in self.permissions

    def require(self, word: str) -> None:
        """Raises Denied, naming the roles that have the permission, unless the caller has it."""
        if word not in self.permissions:
            if self.must_enrol:
                raise SecondFactorRequired
            extra = {"permission": word, "roles": roles_with(word)}
            raise Denied(f"You need the permission {word}.", extra=extra)

    def scope(self, word: str) -> PermissionScope:
        """Whether the permission covers all objects or the caller's own. Raises Denied without the permission."""
        self.require(word)
        return "all" if sees_all(self.role, word) else "own"

    def require_recent_log_in(self, now: datetime) -> None:
        """Raises RecentAuthRequired if a person's sign-in is older than ten minutes."""
        if self.role == SYSTEM:
            return
        if self.auth_time is None or now - self.auth_time > RECENT:
            raise RecentAuthRequired("This requires a sign-in within the last 10 minutes. Sign in again.")


@dataclass(frozen=True, slots=True)
class AnonymousPrincipal:
    """An unauthenticated caller, who has no permissions."""

    is_authenticated: ClassVar[bool] = False
    must_enrol: ClassVar[bool] = False
    user_id: ClassVar[None] = None

    def has_permission(self, word: str) -> bool:  # noqa: ARG002 - same signature as Principal
        return False

    def require(self, word: str) -> None:
        raise Unauthenticated(f"You must be signed in and have the permission {word}.")

    def scope(self, word: str) -> PermissionScope:
        raise Unauthenticated(f"You must be signed in and have the permission {word}.")
