"""Browser sessions: Django's own rows, with what their user wants to know of them."""

import uuid
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from accounts.models.users import LONGEST_USER_AGENT, User


class BrowserSession(AbstractBaseSession):
    """One sign-in in one browser. Of the cookie the hash is kept, in ``session_key``; ``id`` is what may be shown.

    The row carries no MAC: what a session may do, whose it is and when it ends stand in ``session_data``, signed for
    this row. The other columns are copied from there at each save (``accounts.session_engine``), so that rows can be
    listed and ended by them.
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
        from accounts.session_engine import SessionStore  # noqa: PLC0415 - the engine names this model

        return SessionStore

    def get_decoded(self) -> dict[str, Any]:
        from accounts.session_engine import SessionStore  # noqa: PLC0415 - the engine names this model

        return SessionStore.read(self) or {}
