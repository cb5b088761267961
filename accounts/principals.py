"""The caller, as one immutable value that every interface passes to every service."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self
from uuid import UUID

from accounts.authorization import TokenLimits, authorize
from accounts.roles import DEVELOPER, PERMISSIONS, ROLES, SYSTEM, SYSTEM_RIGHTS, Rights, word_of
from audit.log.events import Actor, Source
from kernel.errors import Denied, RecentAuthRequired, SecondFactorRequired, Unauthenticated
from kernel.freshness.stamps import EpochStamp
from kernel.identities import Identity
from kernel.rules import PermissionScope

KEY_WORDS = ("keys.", "crypto.")  # the permissions that a service token can limit to some keys
MIGRATION = "vault.manage"  # the scope of a migration token
RECENT = timedelta(minutes=10)
ROLES_ENTITY = "roles"  # the entity, as in kernel.freshness.stamps, that the rights of every caller depend on
SIGNING_KEYS = "signing-keys"  # the entity, as in kernel.freshness.stamps, that every access token depends on


def user_entity(user_id: UUID) -> str:
    """The entity, as in ``kernel.freshness.stamps``, of a user with their role and sessions."""
    return Identity.user(user_id).entity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Principal:
    """An authenticated caller: an identity with the rights of this request.

    ``rights`` are those of the role. ``permissions`` are the same, reduced to the scopes of a service token, whose other
    limits are ``limits``.
    ``stamp`` holds the epochs that were read *before* the rows this value was built from. ``not_after`` is the
    time (aware UTC) at which the value expires. Both are None if they do not apply. ``must_enrol``: the role requires
    a second factor that the user has not set up; until then the caller has no permission. ``has_second_factor``: the
    sign-in of this session used a second factor or a passkey here, not at the identity provider. ``revision``: of the
    user's row, if the caller has a session.
    """

    actor: Actor
    identity: Identity
    rights: Rights
    permissions: frozenset[str]
    must_enrol: bool = False
    has_second_factor: bool = False
    subject_version: int = 0
    revision: int = 0
    family_id: UUID | None = None
    browser_session_id: UUID | None = None
    auth_time: datetime | None = None
    signing_kid: str = ""
    limits: TokenLimits | None = None
    not_after: datetime | None = None
    stamp: EpochStamp | None = None

    is_authenticated: ClassVar[bool] = True

    @classmethod
    def system(cls, name: str, source: Source) -> Self:
        """The application itself (a command, a scheduled task), with every permission on all objects."""
        actor = Actor.system(name, source)
        return cls(actor=actor, identity=Identity.SYSTEM, rights=SYSTEM_RIGHTS, permissions=PERMISSIONS)

    @property
    def role(self) -> str:
        return self.rights.role

    @property
    def user_id(self) -> UUID | None:
        """The user's ID; None if the caller is not a person."""
        return self.identity.user_id

    @property
    def person_id(self) -> UUID:
        """The user's ID, for actions that require a person: Raises Denied for other identities and service tokens."""
        if self.user_id is None or self.limits is not None:
            raise Denied("Only a signed-in user can do this.", extra={"rule": "person"})
        return self.user_id

    @property
    def credential_id(self) -> UUID | None:
        """A retry must repeat it: the service token, because the limits of another may differ, or the identity."""
        return self.identity.id if self.limits is None else self.limits.token_id

    def has_permission(self, word: str) -> bool:
        return word in self.permissions

    def require(self, word: str) -> None:
        """Raises Denied unless the caller has the permission."""
        verdict = authorize(self, word)
        if not verdict.is_allowed:
            if self.must_enrol:
                raise SecondFactorRequired
            if self.limits is not None and verdict.rule == self.limits.rule:
                raise Denied(
                    f"This token does not have the scope {word_of(word)}.",
                    extra={"permission": word, "rule": verdict.rule},
                )
            raise Denied(f"You need the permission {word}.", extra={"permission": word, "rule": verdict.rule})

    @property
    def is_migrating(self) -> bool:
        """Whether the caller has a migration token, for which a person signed in recently."""
        return self.limits is not None and MIGRATION in self.permissions

    def require_migration_token(self) -> None:
        """Raises Denied for all other callers, also for a person, but not for the system."""
        self.require(MIGRATION)
        if not self.is_migrating and self.role != SYSTEM:
            raise Denied(
                f"This needs a migration token: a service token with the scope {MIGRATION}.",
                extra={"rule": "migration-token"},
            )

    def sees_all(self, word: str) -> bool:
        """Whether the role has the permission on all objects. A service token can allow less: see ``scope``."""
        return word in self.rights.on_all

    def scope(self, word: str) -> PermissionScope:
        """Whether the permission covers all objects or the caller's own. Raises Denied without the permission."""
        self.require(word)
        has_chosen_keys = self.limits is not None and self.limits.key_ids is not None
        if has_chosen_keys and word.startswith(KEY_WORDS):
            return "own"
        return "all" if self.sees_all(word) else "own"

    def lacks(self, rights: Rights, *, to_take_away: bool = False) -> frozenset[str]:
        """The permissions because of which the caller cannot give these rights, or change a holder of them.

        Otherwise a user manager could make an administrator, or take over the account of one. What a developer has
        does not count. ``to_take_away``: the change ends a holder's access. Then an administrator lacks none, also if
        they use no keys.
        """
        own = ROLES.get(self.role, self.rights) if to_take_away else self.rights
        return rights.excess_over(own, ROLES[DEVELOPER])

    def require_rights(self, rights: Rights, *, to_take_away: bool = False) -> None:
        """Raises Denied if the caller ``lacks`` some of them."""
        if lacked := self.lacks(rights, to_take_away=to_take_away):
            raise Denied(
                f"The role {rights.role} has permissions that you do not have: {', '.join(sorted(lacked))}. "
                "Only someone with all of them can do this.",
                extra={"rule": "more-rights"},
            )

    def require_recent_sign_in(self, now: datetime) -> None:
        """Raises RecentAuthRequired if a person's sign-in is older than ten minutes."""
        if self.role == SYSTEM:
            return
        if self.auth_time is None or now - self.auth_time > RECENT:
            advice = "Sign in again." if self.limits is None else "A service token cannot do this."
            raise RecentAuthRequired(f"This requires a sign-in within the last 10 minutes. {advice}")


@dataclass(frozen=True, slots=True)
class AnonymousPrincipal:
    """An unauthenticated caller, who has no permissions."""

    is_authenticated: ClassVar[bool] = False
    identity: ClassVar[Identity] = Identity.SYSTEM
    must_enrol: ClassVar[bool] = False
    user_id: ClassVar[None] = None
    credential_id: ClassVar[None] = None

    def has_permission(self, word: str) -> bool:  # noqa: ARG002 - same signature as Principal
        return False

    def require(self, word: str) -> None:
        raise Unauthenticated(f"You must be signed in and have the permission {word}.")

    def scope(self, word: str) -> PermissionScope:
        raise Unauthenticated(f"You must be signed in and have the permission {word}.")
