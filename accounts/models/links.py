"""Links that work once: the set-up link of the first administrator, and those by which users choose a password."""

from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from django.db import models

from accounts.models.users import User
from kernel.trust.row_mac import MacField, MacProtectedRow

_PASSWORD_RESET: Final = "password-reset:"  # noqa: S105 - the hashed text begins with it; no code contains a colon


def digest(code: str) -> str:
    """The stored hash of a code. The code is random enough to need no salt."""
    return sha256(code.encode()).hexdigest()


def reset_digest(code: str) -> str:
    """The stored hash of the code of a password reset. So no invitation works as a password reset, and vice versa."""
    return digest(_PASSWORD_RESET + code)


class _OneTimeLink(MacProtectedRow):
    """A link, stored as the SHA-256 of its code.

    The MAC protects against an attacker with write access to the database, who could insert a code of their own.
    """

    code_hash = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"until {self.expires_at:%Y-%m-%d %H:%MZ}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.code_hash, self.expires_at

    def is_opened_by(self, code_hash: str, now: datetime) -> bool:
        """Whether the code with this hash is right and the link has not expired. Raises IntegrityFailed."""
        known = self.check_mac().code_hash
        return compare_digest(known, code_hash) and now < self.expires_at


class SetupLink(_OneTimeLink):
    """The link that creates the first administrator. A new link replaces it."""

    MAC_LABEL = "setup_links"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)

    class Meta:
        db_table = "setup_links"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="setup_link_is_single")]


class Invitation(_OneTimeLink):
    """The link by which a user chooses their first password, or resets the one they have. A new link replaces it.

    Only ``code_hash`` states its purpose: see ``reset_digest``. The link ends with every change that ends sessions, such as another role, because that raises the subject version.
    """

    MAC_LABEL = "invitations"

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="invitation")
    subject_version = models.PositiveIntegerField()

    class Meta:
        db_table = "invitations"

    def mac_fields(self) -> tuple[MacField, ...]:
        return *super().mac_fields(), self.user_id, self.subject_version

    def is_open(self, now: datetime) -> bool:
        """Whether the link still leads anywhere, as far as the time and the user's row show."""
        user = self.user
        is_current = user.is_active and user.subject_version == self.subject_version
        return is_current and now < self.expires_at
