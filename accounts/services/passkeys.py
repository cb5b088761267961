"""Passkeys: adding, naming and removing one's own, and signing in with one.

The state of a ceremony is what its options were made with, the challenge above all. The caller keeps it between the
two halves, where its browser cannot change it, and hands it in once.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from webauthn import base64url_to_bytes

from accounts import actions
from accounts.ceremonies import Ceremony, NotAccepted, Options, State, accepting, names_owner, read_answer
from accounts.errors import SessionEnded
from accounts.models import Passkey, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.records import passkey_values, user_event
from accounts.services import attempts
from accounts.tokens import renew_principal
from audit.events import RowChange
from audit.services import record
from ciphercanary.clock import database_now
from ciphercanary.errors import Invalid, NotFound, Unauthenticated

MOST = 20  # passkeys of one user
TABLE = "passkeys"
NOT_ADDED = "The passkey could not be added. Try again."
WRONG = "The passkey was not accepted. Try again, or sign in another way."


def list_passkeys(*, principal: Principal) -> list[Passkey]:
    """The caller's own, the oldest first. Raises Denied, IntegrityFailed."""
    return [
        row.check_mac() for row in Passkey.objects.filter(user=principal.person_id).order_by("created_at")
    ]


def has_passkeys(user_id: UUID) -> bool:
    return bool(Passkey.objects.filter(user=user_id).exists())


def begin_passkey(*, principal: Principal) -> tuple[Options, State]:
    """The options for a new passkey, and the state. Raises Denied, RecentAuthRequired."""
    principal.require_recent_log_in(database_now())
    user = User.objects.get(pk=principal.person_id).check_mac()
    options, state = Ceremony().register_begin(user)
    return options, state


@transaction.atomic
def add_passkey(*, principal: Principal, name: str, state: State, answer: str) -> Passkey:
    """Keep the passkey that a device of the caller's has made.

    Raises Denied, RecentAuthRequired (a stolen session must not leave one behind), Invalid.
    """
    principal.require_recent_log_in(database_now())
    user = User.objects.lock(principal.person_id)
    renew_principal(principal)
    if Passkey.objects.filter(user=user).count() >= MOST:
        raise Invalid(f"You already have {MOST} passkeys. Remove one first.")
    try:
        with accepting(), transaction.atomic():
            passkey: Passkey = Ceremony(name).register_complete(user, state, read_answer(answer))
    except (NotAccepted, IntegrityError):  # the latter: this very passkey is known already
        raise Invalid(NOT_ADDED) from None
    change = RowChange.inserted(TABLE, passkey.pk, passkey_values(passkey))
    record(user_event(actions.PASSKEY_ADDED, user.id), principal.actor, changes=[change])
    return passkey


@transaction.atomic
def rename_passkey(*, principal: Principal, passkey_id: UUID, name: str) -> None:
    """Raises Denied, NotFound."""
    passkey = _lock_own(principal, passkey_id)
    before = passkey_values(passkey)
    passkey.name = name
    passkey.save_with_mac(update_fields=["name"])
    change = RowChange.updated(TABLE, passkey.pk, before, passkey_values(passkey))
    record(user_event(actions.PASSKEY_RENAMED, passkey.user_id), principal.actor, changes=[change])


@transaction.atomic
def remove_passkey(*, principal: Principal, passkey_id: UUID) -> None:
    """It signs nobody in from now on; sessions that it opened go on. Raises Denied, RecentAuthRequired, NotFound."""
    principal.require_recent_log_in(database_now())
    _remove(principal, [_lock_own(principal, passkey_id)])


@transaction.atomic
def remove_passkeys_of(*, principal: Principal, user_id: UUID) -> int:
    """Take away all passkeys of a user whose devices are lost or stolen; how many there were.

    Raises Denied, RecentAuthRequired, NotFound.
    """
    principal.require("users.manage")
    principal.require_recent_log_in(database_now())
    user = User.objects.lock(user_id)
    found = list(Passkey.objects.filter(user=user))
    _remove(principal, found)
    renew_principal(principal)
    return len(found)


def begin_passkey_log_in(*, user_id: UUID | None = None) -> tuple[Options, State]:
    """The options for signing in with a passkey, and the state; of ``user_id``, whose password was right, if given."""
    user = User.objects.filter(pk=user_id).first() if user_id else None
    options, state = Ceremony().authenticate_begin(user=user, require_user_verification=True)
    return options, state


def log_in_with_passkey(
    *, state: State, answer: str, after_password: tuple[UUID, int] | None = None, origin: Origin
) -> User:
    """The user for whom Django may open a session: a passkey is both factors, or the second after a password.

    ``after_password`` is the user whose password was right, and his subject version then. Raises Unauthenticated,
    SessionEnded where his sessions were ended since, IntegrityFailed. Called outside any transaction.
    """
    try:
        sent = read_answer(answer)
        with accepting():
            seen = Passkey.get_by_credential_id(_credential_id(sent))
    except (NotAccepted, Passkey.DoesNotExist):
        raise Unauthenticated(WRONG) from None
    with transaction.atomic():
        user = User.objects.lock(seen.user_id)
        _require_owner(user, sent, after_password)
        try:
            with accepting():
                passkey: Passkey = Ceremony().authenticate_complete(user, state, sent)
        except NotAccepted:
            raise Unauthenticated(WRONG) from None
        attempts.forgive(attempts.PASSWORD, user.username)
        actor = origin.user(
            user.id, user.username, auth_method="password+passkey" if after_password else "passkey"
        )
        record(user_event(actions.PASSKEY_USED, user.id, passkey=str(passkey.pk)), actor)
        record(user_event(actions.SESSION_OPENED, user.id), actor)
    return user


def _require_owner(user: User, sent: Mapping[str, Any], after_password: tuple[UUID, int] | None) -> None:
    if after_password is None:
        if not (user.is_active and names_owner(sent, user)):
            raise Unauthenticated(WRONG)
        return
    if not user.is_active or user.id != after_password[0]:
        raise Unauthenticated(WRONG)
    if user.subject_version != after_password[1]:
        raise SessionEnded


def _credential_id(sent: Mapping[str, Any]) -> bytes:
    return base64url_to_bytes(sent["rawId"])


def _lock_own(principal: Principal, passkey_id: UUID) -> Passkey:
    """The caller's passkey, held by the lock on his own row: whoever signs in with it waits."""
    user = User.objects.lock(principal.person_id)
    renew_principal(principal)
    passkey: Passkey | None = Passkey.objects.filter(pk=passkey_id, user=user).first()
    if passkey is None:
        raise NotFound("This passkey does not exist. Reload the page.")
    return passkey.check_mac()


def _remove(principal: Principal, passkeys: list[Passkey]) -> None:
    for passkey in passkeys:
        change = RowChange.deleted(TABLE, passkey.pk, passkey_values(passkey))
        Passkey.objects.filter(pk=passkey.pk).delete()
        record(user_event(actions.PASSKEY_REMOVED, passkey.user_id), principal.actor, changes=[change])
