"""Users, and counters of failed sign-ins."""

import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from accounts.errors import SessionEnded
from accounts.models.roles import RoleHolder
from accounts.principals import Principal
from accounts.roles import LABELS
from audit.models import Reader
from kernel.databases.rows import first_of
from kernel.errors import Refused
from kernel.identities import Identity
from kernel.trust.row_heads import check_locked
from kernel.trust.row_mac import MacField, MacProtectedRow

# In place of the hash: the user signs in through the identity provider. Any other unusable hash is that of an invited user.
FEDERATED = f"{UNUSABLE_PASSWORD_PREFIX}federated"
LONGEST_USER_AGENT = 200  # characters stored per session

# The API permission that the read-only admin requires for each app's tables.
_VIEW_PERMISSIONS: Mapping[str, str] = {
    "accounts": "users.read",
    "audit": "audit.read",
    "keys": "keys.read",
    "crypto_ops": "operations.read",
    "ciphercanary": "system.read",
    "notifications": "system.read",
}


class UserState(StrEnum):
    """Invited: the user has not chosen a password yet. A disabled user cannot sign in."""

    ACTIVE = "active"
    INVITED = "invited"
    DISABLED = "disabled"


class UserQuerySet(models.QuerySet["User"]):
    def visible_to(self, reader: Reader) -> Self:
        """The users whose names the reader may see. Raises Denied."""
        if reader.scope("users.read") == "all":
            return self.all()
        user_id = reader.identity.user_id
        return self.filter(pk__in=[user_id] if user_id else [])

    def lock(self, user_id: uuid.UUID) -> "User":
        """Return the user, locked until the transaction ends. Raises NotFound, IntegrityFailed."""
        user = first_of(self.select_for_update().filter(pk=user_id))
        check_locked(user)
        return user

    def lock_managed(self, principal: Principal, user_id: uuid.UUID, *, to_take_away: bool = False) -> "User":
        """``lock`` for a change by a user manager. Raises Denied if the user has rights that the principal lacks."""
        user = self.lock(user_id)
        principal.require_rights(user.rights, to_take_away=to_take_away)
        return user

    def lock_unchanged(self, seen: "User") -> "User":
        """Return the user, locked, if nothing has ended their sessions since ``seen`` was read. Raises SessionEnded.

        The second-factor requirement must not have changed either: a sign-in that started without it must start
        again.
        """
        user = self.lock(seen.pk)
        is_same = (user.subject_version, user.requires_second_factor) == (
            seen.subject_version,
            seen.requires_second_factor,
        )
        if not user.is_active or not is_same:
            raise SessionEnded
        return user

    def in_state(self, state: str) -> Self:
        is_invited = models.Q(password__startswith=UNUSABLE_PASSWORD_PREFIX) & ~models.Q(password=FEDERATED)
        match state:
            case UserState.DISABLED:
                return self.filter(is_active=False)
            case UserState.INVITED:
                return self.filter(is_invited, is_active=True)
            case _:
                return self.filter(~is_invited, is_active=True)

    def with_own_password(self) -> Self:
        """Without those who sign in through the identity provider only, or have not chosen a password yet."""
        return self.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)

    def search(self, text: str) -> Self:
        """The users whose name or e-mail address contains every word. Both are stored in lower case."""
        found = self
        for word in text.lower().split():
            found = found.filter(models.Q(username__contains=word) | models.Q(email__contains=word))
        return found


class User(RoleHolder, MacProtectedRow, AbstractBaseUser):
    """A person who may sign in.

    Only the services of ``accounts`` write users, because the inherited ``set_password`` and ``save`` do not update the
    MAC. ``subject_version`` increases with every change that ends earlier grants. Tokens and browser sessions
    carry the version they were issued under.
    """

    MAC_LABEL = "users"
    STATE = ("row_mac", "email")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=64, unique=True)
    email = models.EmailField(unique=True, null=True, blank=True)  # '' would violate uniqueness
    role = models.CharField(max_length=20, choices=list(LABELS.items()))
    is_active = models.BooleanField(default=True)
    # Covered by the MAC, so that deleting the authenticator's row does not switch off the second factor.
    requires_second_factor = models.BooleanField(default=False, editable=False)
    subject_version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    limits: ClassVar[None] = None  # a holder of rights without those of a token
    last_login = None  # Django's way to omit a column; the audit log records every sign-in

    USERNAME_FIELD = "username"

    objects = UserQuerySet.as_manager()

    class Meta:
        db_table = "users"
        ordering = ["username"]
        constraints = [
            # Stored in lower case, so that a plain unique constraint ignores case.
            models.CheckConstraint(
                condition=models.Q(username=Lower("username")), name="users_username_is_lower_case"
            ),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="users_email_is_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return self.username

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.username,
            self.role,
            self.is_active,
            self.requires_second_factor,
            self.subject_version,
            self.password,
        )

    def require_local_factors(self) -> None:
        """Raises Refused for a user of the identity provider.

        Otherwise they could still sign in with such a factor after the provider has removed them.
        """
        if self.is_federated:
            raise Refused(
                "Your account has no password or factors here. You sign in through the identity provider."
            )

    @property
    def identity(self) -> Identity:
        return Identity.user(self.id)

    @property
    def name(self) -> str:
        return self.username

    @property
    def is_federated(self) -> bool:
        """Whether the user signs in through the identity provider only."""
        return self.password == FEDERATED

    @property
    def can_sign_in(self) -> bool:
        """Whether the user has a way to sign in while they are active. An invited user has none yet."""
        return self.is_federated or self.has_usable_password()

    @property
    def state(self) -> UserState:
        if not self.is_active:
            return UserState.DISABLED
        return UserState.ACTIVE if self.can_sign_in else UserState.INVITED

    @property
    def must_enrol(self) -> bool:
        """Whether the role requires a second factor that the user has not set up.

        A passkey alone does not count: the user could still sign in with the password only. The identity provider
        is responsible for the factors of its users, who have no password here.
        """
        if self.requires_second_factor or self.is_federated:
            return False
        return self.role in settings.CC_REQUIRE_SECOND_FACTOR or self.rights.requires_second_factor

    @property
    def permissions(self) -> frozenset[str]:
        """Those of the role; none while a required second factor is missing."""
        return frozenset() if self.must_enrol else self.rights.permissions

    @property
    def is_staff(self) -> bool:
        """Whether the user may open the read-only admin."""
        return any(self.has_module_perms(app) for app in _VIEW_PERMISSIONS)

    def has_perm(self, perm: str, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Called by the admin only: viewing depends on the role, everything else is refused."""
        app, _, word = perm.partition(".")
        return word.startswith("view_") and self.has_module_perms(app)

    def has_module_perms(self, app_label: str) -> bool:
        is_admitted = self.is_active and not self.must_enrol
        return is_admitted and _VIEW_PERMISSIONS.get(app_label, "") in self.rights.on_all

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        # Django compares this at each request: a new password or subject version ends every browser session.
        subject = f"{self.subject_version}:{self.password}"
        return salted_hmac("accounts.session", subject, secret=secret, algorithm="sha256").hexdigest()


class LoginAttempt(models.Model):
    """Recent failed attempts on an account. The account need not exist.

    ``account`` is a keyed hash of the attempted subject, because users sometimes type a password into the
    username field.
    """

    account = models.CharField(primary_key=True, max_length=64)
    failures = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "login_attempts"

    def __str__(self) -> str:
        return f"{self.failures} failures"
