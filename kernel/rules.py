"""Who may use a method of a view, and its audit action. Pages and the API share these types."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

from kernel.identities import Identity

type PermissionScope = Literal["all", "own"]  # how far a permission reaches


class Access(Enum):
    """Rules that require no permission."""

    PUBLIC = "public"
    AUTHENTICATED = "authenticated"
    ENROLLING = "enrolling"  # authenticated, also while a required second factor is missing


PUBLIC = Access.PUBLIC
AUTHENTICATED = Access.AUTHENTICATED
ENROLLING = Access.ENROLLING


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a method (a permission or an ``Access``), and its audit action. ``also``: a second permission, or ""."""

    permission: str | Access
    action: str
    also: str = ""

    @property
    def permissions(self) -> list[str]:
        """All that the caller needs."""
        return [each for each in (self.permission, self.also) if each and isinstance(each, str)]


class Caller(Protocol):
    """The interface of a caller that views rely on."""

    @property
    def is_authenticated(self) -> bool: ...
    @property
    def identity(self) -> Identity: ...
    @property
    def credential_id(self) -> UUID | None: ...
    @property
    def user_id(self) -> UUID | None: ...
    @property
    def must_enrol(self) -> bool:
        """Whether the caller must set up a second factor before anything else."""
        ...

    def has_permission(self, word: str) -> bool: ...
    def require(self, word: str) -> None:
        """Raises Denied unless the permission is held."""
        ...

    def require_recent_sign_in(self, now: datetime) -> None:
        """Raises RecentAuthRequired if the sign-in is too long ago."""
        ...

    def scope(self, word: str) -> PermissionScope:
        """How far the permission reaches. Raises Denied unless it is held."""
        ...
