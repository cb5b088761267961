"""Who may use a method of a view, and what the audit log calls it: the same words for pages and for the API."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

type Scope = Literal["all", "own"]  # how far a permission reaches


class Access(Enum):
    """Rules that ask for no permission word."""

    PUBLIC = "public"
    AUTHENTICATED = "authenticated"


PUBLIC = Access.PUBLIC
AUTHENTICATED = Access.AUTHENTICATED


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a method (a permission word, or an ``Access``), and the audit word of what it does."""

    permission: str | Access
    action: str


class Caller(Protocol):
    """What views ask of whoever calls."""

    @property
    def is_authenticated(self) -> bool: ...
    @property
    def user_id(self) -> UUID | None: ...
    def has_permission(self, word: str) -> bool: ...
    def require(self, word: str) -> None:
        """Raises Denied unless the permission is held."""
        ...

    def scope(self, word: str) -> Scope:
        """How far the permission reaches. Raises Denied unless it is held."""
        ...
