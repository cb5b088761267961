"""List the caller's browser and API sessions, and end them remotely."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import actions
from accounts.models import BrowserSession, TokenFamily, User
from accounts.principals import Principal, user_entity
from accounts.sessions.devices import device_words
from accounts.sessions.services.sessions import revoke_family
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.errors import NotFound
from kernel.freshness.epoch import raise_epoch

GONE = "This session does not exist or has already ended."


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """One of the caller's sessions. ``is_present`` marks the session of the current request."""

    id: UUID
    kind: Literal["browser", "api"]
    is_present: bool
    client_ip: str
    user_agent: str
    began_at: datetime
    last_seen_at: datetime
    expires_at: datetime

    @property
    def device(self) -> str:
        """Such as ``Firefox on Linux``."""
        return device_words(self.user_agent)


def list_sessions(*, principal: Principal) -> list[OwnSession]:
    """The caller's open sessions: the current one first, then by last use, newest first. Raises Denied."""
    user = User.objects.get(pk=principal.person_id)
    present, now = {principal.browser_session_id, principal.family_id}, database_now()
    browsers = [_of_browser(row, present) for row in _open_browsers(user, now)]
    families = [_of_family(row, present) for row in _open_families(user, now)]
    return sorted(
        [*browsers, *families], key=lambda each: (not each.is_present, -each.last_seen_at.timestamp())
    )


def count_sessions(*, principal: Principal, user: User) -> int:
    """The number of a user's open sessions. Raises Denied."""
    principal.require("users.read")
    now = database_now()
    browsers, families = _open_browsers(user, now).values("id"), _open_families(user, now).values("id")
    return browsers.union(families, all=True).count()


@transaction.atomic
def end_session(*, principal: Principal, session_id: UUID) -> None:
    """End one of the caller's sessions immediately. Raises Denied, NotFound, SessionEnded."""
    user = User.objects.lock(principal.person_id)
    confirm_rights(principal)
    now = database_now()
    browsers = _open_browsers(user, now).filter(id=session_id)
    families = _open_families(user, now).filter(id=session_id)
    if not (_end_browsers(principal, browsers) or _end_families(principal, families)):
        raise NotFound(GONE)
    raise_epoch(user_entity(user.id))


@transaction.atomic
def end_other_sessions(*, principal: Principal) -> int:
    """End all of the caller's sessions except the current one. Returns their number. Raises Denied, SessionEnded."""
    user = User.objects.lock(principal.person_id)
    confirm_rights(principal)
    present = [each for each in (principal.browser_session_id, principal.family_id) if each]
    now = database_now()
    ended = _end_browsers(principal, _open_browsers(user, now).exclude(id__in=present))
    ended += _end_families(principal, _open_families(user, now).exclude(id__in=present))
    if ended:
        raise_epoch(user_entity(user.id))
    return ended


def _open_browsers(user: User, now: datetime) -> QuerySet[BrowserSession]:
    return BrowserSession.objects.filter(user=user, subject_version=user.subject_version, expire_date__gt=now)


def _open_families(user: User, now: datetime) -> QuerySet[TokenFamily]:
    return TokenFamily.objects.filter(
        user=user, subject_version=user.subject_version, revoked_at=None, expires_at__gt=now
    )


def _end_browsers(principal: Principal, rows: QuerySet[BrowserSession]) -> int:
    for row in rows:
        BrowserSession.objects.filter(id=row.id).delete()  # noqa: CC3 - deletes an ended session
        _record(principal, row.id, "browser")
    return len(rows)


def _end_families(principal: Principal, rows: QuerySet[TokenFamily]) -> int:
    for row in rows:
        revoke_family(row.check_mac())
        _record(principal, row.id, "api")
    return len(rows)


def _record(principal: Principal, session_id: UUID, kind: str) -> None:
    event = Event(
        action=actions.SESSION_REVOKED, object_type="session", object_id=str(session_id), meta={"kind": kind}
    )
    record(event, principal.actor)


def _of_browser(row: BrowserSession, present: set[UUID | None]) -> OwnSession:
    return OwnSession(
        id=row.id,
        kind="browser",
        is_present=row.id in present,
        client_ip=row.client_ip,
        user_agent=row.user_agent,
        began_at=row.began_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expire_date,
    )


def _of_family(row: TokenFamily, present: set[UUID | None]) -> OwnSession:
    return OwnSession(
        id=row.id,
        kind="api",
        is_present=row.id in present,
        client_ip=row.client_ip,
        user_agent=row.user_agent,
        began_at=row.auth_time,
        last_seen_at=row.refreshed_at or row.auth_time,
        expires_at=row.expires_at,
    )
