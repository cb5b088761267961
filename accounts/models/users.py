"""Users, and the count of log-ins that failed."""

import uuid
from collections.abc import Mapping

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from accounts.errors import SessionEnded
from accounts.roles import ROLES, sees_all
from kernel.errors import NotFound
from kernel.trust.row_mac import MacField, MacProtectedRow

LONGEST_USER_AGENT = 200  # characters of what a session keeps of it

# What the read-only admin asks for each app's tables, in the words of the API's permissions.
_VIEW_PERMISSIONS: Mapping[str, str] = {
    "accounts": "users.read",
    "audit": "audit.read",
    "keys": "keys.read",
    "crypto_ops": "operations.read",
    "ciphercanary": "system.read",
}


class UserManager(models.Manager["User"]):
    def lock(self, user_id: uuid.UUID) -> "User":
        """The user, held against other changes until the transaction ends. Raises NotFound, IntegrityFailed."""
        user = self.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise NotFound
        return user.check_mac()

    def lock_unchanged(self, seen: "User") -> "User":
        """The user, held, if nothing ended his sessions since he was ``seen``. Raises SessionEnded.

        Nor may a second factor have come into force: the log-in that saw none must begin anew.
        """
        user = self.lock(seen.pk)
        is_same = (user.subject_version, user.requires_second_factor) == (
            seen.subject_version,
            seen.requires_second_factor,
        )
        if not user.is_active or not is_same:
            raise SessionEnded
        return user


class User(MacProtectedRow, AbstractBaseUser):
    """A person who may log in.

    Written by ``accounts.services`` alone: the inherited ``set_password`` and ``save`` leave the MAC behind.
    ``subject_version`` grows with every change that ends what was granted before it; tokens and browser
    sessions carry the number they were issued under.
    """

    MAC_LABEL = "users"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=64, unique=True)
    email = models.EmailField(unique=True, null=True, blank=True)  # '' would clash
    role = models.CharField(max_length=20, choices=[(role, role) for role in ROLES])
    is_active = models.BooleanField(default=True)
    # Under the MAC, so that nobody switches the second factor off by deleting the authenticator's row.
    requires_second_factor = models.BooleanField(default=False, editable=False)
    subject_version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_login = None  # Django's way to leave a column out; the audit log knows every log-in

    USERNAME_FIELD = "username"

    objects = UserManager()

    class Meta:
        db_table = "users"
        ordering = ["username"]
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=list(ROLES)), name="users_role_is_known"),
            # Stored in small letters, so that plain uniqueness is uniqueness whatever the case.
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

    @property
    def is_staff(self) -> bool:
        """Whether the read-only admin lets the user in at all."""
        return any(self.has_module_perms(app) for app in _VIEW_PERMISSIONS)

    def has_perm(self, perm: str, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Django's question, by the admin alone: viewing follows the role, everything else is refused."""
        app, _, act = perm.partition(".")
        return act.startswith("view_") and self.has_module_perms(app)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and sees_all(self.role, _VIEW_PERMISSIONS.get(app_label, ""))

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        # Django compares this at each request: a new password or subject version ends every browser session.
        subject = f"{self.subject_version}:{self.password}"
        return salted_hmac("accounts.session", subject, secret=secret, algorithm="sha256").hexdigest()


class LoginAttempt(models.Model):
    """How often guessing at an account failed lately; the account need not exist.

    ``account`` is a keyed hash of what is guessed at: people type passwords into the field of the name.
    """

    account = models.CharField(primary_key=True, max_length=64)
    failures = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "login_attempts"

    def __str__(self) -> str:
        return f"{self.failures} failures"
