"""``SESSION_ENGINE``: sessions in the database, in a table that identifies their users but not their cookies.

The browser's cookie holds the key; the row is found by the key's hash. The session data is signed for that row,
its user and its expiry. An attacker who reads the table cannot open a session. An attacker who writes to it
cannot move a session to another key, user or expiry.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from django.db import DatabaseError, IntegrityError, OperationalError, transaction

from accounts.models import BrowserSession
from kernel.clock import database_now, process_now, require_reading

# Entries of a signed-in session, written by ``accounts.sessions.browser_sessions``.
ID = "id"
SUBJECT_VERSION = "subject_version"
BEGAN_AT = "began_at"
SEEN_AT = "seen_at"
CLIENT_IP = "client_ip"
USER_AGENT = "user_agent"

_SALT = "accounts.session_engine:"  # followed by the row's key

DROPPED_AT_ONCE = 100

logger = logging.getLogger(__name__)


def row_key(key: str) -> str:
    """The database key of the session with this cookie key. Keys are random, so a plain hash is enough."""
    return sha256(key.encode()).hexdigest()


class SessionStore(SessionBase):
    """Does not inherit from Django's database store, whose queries would contain the key in clear."""

    @staticmethod
    def read(row: BrowserSession) -> dict[str, Any] | None:
        """The data signed for this row, or None if it was signed for another row or has expired."""
        try:
            ends_at, data = signing.loads(
                row.session_data, salt=_SALT + row.session_key, serializer=JSONSerializer
            )
        except signing.BadSignature:
            logger.warning(
                "A browser session is not valid: it was changed outside the application, or signed with another SECRET_KEY."
            )
            return None
        is_so = all(getattr(row, name) == value for name, value in _signed_columns(data).items())
        return data if is_so and process_now() < datetime.fromisoformat(ends_at) else None

    def load(self) -> dict[str, Any]:
        """Called only if there is a key. A key without a valid session is dropped."""
        require_reading()  # no query precedes: after a start, a wrong clock of the node would end the session
        key = row_key(self.session_key or "")
        row = BrowserSession.objects.filter(session_key=key, expire_date__gt=process_now()).first()
        data = None if row is None else self.read(row)
        if data is None:
            self._session_key = None
            return {}
        return data

    def get_expiry_age(self, **options: Any) -> int:
        """Django's default, with the clock that decides the expiry."""
        return super().get_expiry_age(**{"modification": process_now(), **options})

    def get_expiry_date(self, **options: Any) -> datetime:
        return super().get_expiry_date(**{"modification": process_now(), **options})

    def exists(self, session_key: str) -> bool:
        return BrowserSession.objects.filter(session_key=row_key(session_key)).exists()

    def create(self) -> None:
        self._session_key = self._new_key()
        self.save(must_create=True)  # noqa: CC3 - browser sessions sign their data
        self.modified = True

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        if self.session_key is None:
            self.create()
            return
        row = self._row(self._get_session(no_load=must_create))  # type: ignore[attr-defined]  # django-stubs leave it out
        try:
            with transaction.atomic():
                row.save(force_insert=must_create, force_update=not must_create)  # noqa: CC3 - browser sessions sign their data
        except IntegrityError as error:
            if must_create:
                raise CreateError from error
            raise
        except DatabaseError as error:
            # UpdateError means that the session was ended. An unavailable database does not mean that.
            if must_create or isinstance(error, OperationalError):
                raise
            raise UpdateError from error

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            BrowserSession.objects.filter(session_key=row_key(key)).delete()  # noqa: CC3 - deletes an ended session

    def cycle_key(self) -> None:
        """Move the row to a new key, so that a session ended in the meantime is not revived.

        Django inserts a new row and then deletes the old one, so a session that is ended in between would
        survive.
        """
        data = dict(self.items())  # reading the session drops a key without a valid session
        if self.session_key is None:
            self.create()
            return
        before, self._session_key = row_key(self.session_key), self._new_key()
        after = self._row(data)
        changed = {
            name: getattr(after, name) for name in ("session_key", "session_data", *_signed_columns(data))
        }
        if not BrowserSession.objects.filter(session_key=before).update(**changed):  # noqa: CC3 - a new key for the same row; sessions sign their data
            raise SessionInterrupted("The session has ended.")
        self.modified = True

    async def acycle_key(self) -> None:
        await sync_to_async(self.cycle_key)()

    @classmethod
    def clear_expired(cls) -> None:
        # Nothing has read the database's clock yet: this is a command.
        BrowserSession.objects.filter(expire_date__lt=database_now()).delete()  # noqa: CC3 - deletes expired sessions

    def _new_key(self) -> str:
        key: str = self._get_new_session_key()  # type: ignore[attr-defined]  # django-stubs leave it out
        return key

    def _row(self, data: Mapping[str, Any]) -> BrowserSession:
        key, ends_at, now = row_key(self.session_key or ""), self.get_expiry_date(), process_now()
        signed = (ends_at.isoformat(), dict(data))
        columns = {"id": uuid4()} | _signed_columns(data)
        return BrowserSession(
            session_key=key,
            session_data=signing.dumps(signed, salt=_SALT + key, serializer=JSONSerializer, compress=True),
            expire_date=ends_at,
            client_ip=data.get(CLIENT_IP, ""),
            user_agent=data.get(USER_AGENT, ""),
            began_at=_timestamp(data, BEGAN_AT, now),
            last_seen_at=_timestamp(data, SEEN_AT, now),
            **columns,
        )


def drop_expired(user_id: UUID | None = None) -> None:
    """Delete the user's expired sessions and some of other users. Rows that another process is deleting are skipped."""
    expired = BrowserSession.objects.filter(expire_date__lt=database_now())
    with transaction.atomic():
        for some in (expired.filter(user=user_id), expired):
            rows = some.select_for_update(skip_locked=True).order_by("expire_date")[:DROPPED_AT_ONCE]
            BrowserSession.objects.filter(pk__in=[row.pk for row in rows]).delete()  # noqa: CC3 - deletes ended sessions


def _signed_columns(data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that find and end a session, taken from its data."""
    columns = {
        "user_id": UUID(data[SESSION_KEY]) if SESSION_KEY in data else None,
        "subject_version": data.get(SUBJECT_VERSION, 0),
    }
    return columns | ({"id": UUID(data[ID])} if ID in data else {})


def _timestamp(data: Mapping[str, Any], name: str, default: datetime) -> datetime:
    return datetime.fromisoformat(data[name]) if name in data else default
