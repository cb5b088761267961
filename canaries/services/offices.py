"""Officers see canaries and incidents. An office is in the sealed set only, so no role or row shows it."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from accounts.models import User
from accounts.models.users import UserState
from canaries.documents import HOST, Office, active_officers
from canaries.notices import queue_text
from canaries.sealed.store import Change, changing, read_set
from kernel.errors import Conflict, NotFound, Refused
from kernel.trust.row_heads import find_current

WAIT: Final = timedelta(hours=24)  # before an appointment by an officer is effective without a confirmation


def list_offices() -> list[Office]:
    """By name. Raises DocumentsAltered."""
    return sorted(read_set().offices, key=lambda office: office.name)


def changed_accounts(found: Collection[Office]) -> frozenset[UUID]:
    """The users of these offices whose account changed for no known reason: they see nothing until a confirmation."""
    users = User.objects.filter(pk__in=[each.user_id for each in found])
    revisions = {user.pk: user.revision for user in users}
    return frozenset(each.user_id for each in found if revisions.get(each.user_id) != each.revision)


def appoint_officer(*, by: str, user_id: UUID) -> Office:
    """Effective at once if ``by`` is ``HOST``, otherwise after ``WAIT`` or a confirmation.

    Raises NotFound, Refused for a user who cannot be an officer, Conflict, DocumentsAltered, IntegrityFailed.
    """
    user = _eligible_user(user_id)
    with changing(by) as change:
        if _position(change, user_id) is not None:
            raise Conflict("This user is already an officer.")
        office = Office(
            user_id=user.id,
            name=user.username,
            appointed_at=change.at,
            appointed_by=by,
            effective_at=change.at if by == HOST else change.at + WAIT,
            revision=user.revision,
        )
        change.set.offices.append(office)
        _announce(change, "office.appointed", office)
    return office


def confirm_office(*, by: str, user_id: UUID) -> Office:
    """Make an office effective now: a new or suspended one, or one whose account changed without a known reason.

    ``by``: ``HOST`` or another officer. The one who appointed the user cannot confirm the appointment. Raises NotFound,
    Refused, Conflict, DocumentsAltered.
    """
    revision = _eligible_user(user_id).revision
    with changing(by) as change:
        office = _find(change, user_id)
        if office.is_active(change.at) and office.revision == revision:
            raise Conflict("This appointment is already in effect.")
        is_by_appointer = by == office.appointed_by != HOST
        if is_by_appointer and not office.is_suspended:
            raise Refused(
                "You appointed this officer. Another officer or a command on the server must confirm the appointment."
            )
        # Otherwise an officer could shorten the wait: appoint a user, change their account, and confirm the office.
        at = office.effective_at if is_by_appointer else min(office.effective_at, change.at)
        office = replace(office, is_suspended=False, effective_at=at, revision=revision)
        _replace(change, office)
        _announce(change, "office.confirmed", office)
    return office


def remove_officer(*, by: str, user_id: UUID) -> None:
    """Raises NotFound, Refused if no officer would be left, DocumentsAltered. The host may remove the last one."""
    with changing(by) as change:
        office = _find(change, user_id)
        left = active_officers(change.set.offices, change.at) - {user_id}
        if by != HOST and not left:
            raise Refused("No active officer would be left. Appoint another one first.")
        _announce(change, "office.removed", office)
        change.set.offices.remove(office)


def suspend_office(change: Change, user_id: UUID) -> None:
    """The account was changed by another person. The watcher calls it, and writes an incident."""
    place = _position(change, user_id)
    if place is not None and not change.set.offices[place].is_suspended:
        _replace(change, replace(change.set.offices[place], is_suspended=True))
        change.note("office.suspended", office=user_id)


def renew_office(change: Change, user_id: UUID, changes: int) -> None:
    """The officer changed their own account. The watcher calls it.

    Each change adds one to the revision of the row, which may already include a later change by someone else.
    """
    place, user = _position(change, user_id), User.objects.filter(pk=user_id).first()
    if place is not None and user is not None:
        office = change.set.offices[place]
        _replace(change, replace(office, revision=min(user.revision, office.revision + changes)))
        change.note("office.renewed", office=user_id)


def _eligible_user(user_id: UUID) -> User:
    user = find_current(User.objects.filter(pk=user_id))
    if user is None:
        raise NotFound("There is no user with this ID.")
    if user.is_federated:
        raise Refused(
            "This user signs in through the identity provider, whose administrators could act as the officer. Choose "
            "a user with a password and an authenticator here."
        )
    if user.state != UserState.ACTIVE:
        raise Refused("This user cannot sign in. Enable the user, or wait until they accept the invitation.")
    if not user.requires_second_factor:
        # With a passkey alone, the password still opens a session, which could set up another factor.
        raise Refused("This user has no authenticator. They must first set one up.")
    return user


def _find(change: Change, user_id: UUID) -> Office:
    place = _position(change, user_id)
    if place is None:
        raise NotFound("This user is not an officer.")
    return change.set.offices[place]


def _position(change: Change, user_id: UUID) -> int | None:
    places = (place for place, office in enumerate(change.set.offices) if office.user_id == user_id)
    return next(places, None)


def _replace(change: Change, office: Office) -> None:
    place = _position(change, office.user_id)
    assert place is not None  # noqa: S101 - the caller has found it
    change.set.offices[place] = office


def _announce(change: Change, word: str, office: Office) -> None:
    """In the journal, and to all channels, so that officers can object within ``WAIT``."""
    change.note(word, office=office)
    who = next((each.name for each in change.set.offices if str(each.user_id) == change.by), change.by)
    title = _TITLES[word].format(name=office.name, by=who)
    text = f"The appointment takes effect on {office.effective_at:%Y-%m-%d %H:%M} UTC."
    queue_text(change, word, title, "" if word == "office.removed" else text, change.set.channels)


_TITLES: Final = {
    "office.appointed": "{by} appointed {name} as an officer",
    "office.confirmed": "{by} confirmed the appointment of {name}",
    "office.removed": "{by} removed the officer {name}",
}
