"""``SESSION_ENGINE``: Django's sessions in the database, in a table that knows whose they are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.exceptions import SessionInterrupted

from accounts.models import BrowserSession
from ciphercanary.clock import process_now

# Of a session that somebody is signed in with; written by ``accounts.browser_sessions``.
ID = "id"
SUBJECT_VERSION = "subject_version"
BEGAN_AT = "began_at"
SEEN_AT = "seen_at"
CLIENT_IP = "client_ip"
USER_AGENT = "user_agent"


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        return BrowserSession

    def create_model_instance(self, data: Mapping[str, Any]) -> BrowserSession:
        row = cast("BrowserSession", super().create_model_instance(dict(data)))
        now = process_now()
        row.id = UUID(data[ID]) if ID in data else uuid4()
        row.user_id = UUID(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.subject_version = data.get(SUBJECT_VERSION, 0)
        row.client_ip, row.user_agent = data.get(CLIENT_IP, ""), data.get(USER_AGENT, "")
        row.began_at, row.last_seen_at = _moment(data, BEGAN_AT, now), _moment(data, SEEN_AT, now)
        return row

    def cycle_key(self) -> None:
        """The same row under a new key: one that was ended meanwhile must not come to life again under it.

        Django's own way, a new row and then no old one, would let a session that is ended in between live on.
        """
        self.keys()  # by reading its session a key that opens nothing is forgotten
        if self.session_key is None:
            self.create()
            return
        key: str = self._get_new_session_key()  # type: ignore[attr-defined]  # django-stubs leave it out
        if not BrowserSession.objects.filter(session_key=self.session_key).update(session_key=key):
            raise SessionInterrupted("The session was ended.")
        self._session_key = key
        self.modified = True


def _moment(data: Mapping[str, Any], name: str, default: datetime) -> datetime:
    return datetime.fromisoformat(data[name]) if name in data else default
