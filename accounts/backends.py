"""Authentication backend for browser sessions."""

from uuid import UUID

from django.contrib.auth.backends import BaseBackend

from accounts.models import User
from kernel.trust.row_heads import find_current


class SessionBackend(BaseBackend):
    """Finds the user of a session. It never logs anyone in: only ``accounts.sign_in`` does."""

    def get_user(self, user_id: UUID) -> User | None:
        """The active user. Raises IntegrityFailed if the row was changed outside the application."""
        return find_current(User.objects.filter(pk=user_id, is_active=True))
