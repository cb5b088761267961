"""Whom a browser session belongs to."""

from uuid import UUID

from django.contrib.auth.backends import BaseBackend

from accounts.models import User


class SessionBackend(BaseBackend):
    """Finds the user of a session. Nobody logs in through it: that is ``accounts.services``' alone."""

    def get_user(self, user_id: UUID) -> User | None:
        """The active user. Raises IntegrityFailed where somebody changed the row by hand."""
        user = User.objects.filter(pk=user_id, is_active=True).first()
        return user and user.check_mac()
