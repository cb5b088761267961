"""Browser sessions: Django's session rows, with columns that are shown to the user."""

import uuid
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from accounts.models.users import LONGEST_USER_AGENT, User


class BrowserSession(AbstractBaseSession):
    """One sign-in in one browser. ``session_key`` is the hash of the cookie's key; ``id`` may be shown.

    The row has no MAC: the user, the rights and the expiry of a session are in ``session_data``, which is signed
    for this row. Each save copies the other columns from there (``accounts.session_engine``), so that queries can
    list and end sessions by them.
    """

    session_key = models.CharField(max_length=64, primary_key=True)  # SHA-256, in hex
    id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="browser_sessions")
    subject_version = models.PositiveIntegerField(default=0)
    client_ip = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=LONGEST_USER_AGENT, blank=True)
    began_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        db_table = "browser_sessions"

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from accounts.session_engine import SessionStore  # noqa: PLC0415 - the engine imports this model

        return SessionStore

    def get_decoded(self) -> dict[str, Any]:
        from accounts.session_engine import SessionStore  # noqa: PLC0415 - the engine imports this model

        return SessionStore.read(self) or {}
