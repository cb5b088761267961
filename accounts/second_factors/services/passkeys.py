"""Add, rename and remove the caller's passkeys.

The state of a ceremony holds the values its options were made with, above all the challenge. Between the two
halves the caller keeps the state where the browser cannot change it, and passes it in once.
"""

from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import actions
from accounts.models import Passkey, User
from accounts.principals import Principal
from accounts.second_factors.ceremonies import (
    Ceremony,
    NotAccepted,
    Options,
    State,
    accepting,
    read_credential,
)
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import passkey_values, user_event
from audit.log.events import RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.errors import Invalid, NotFound
from kernel.trust.row_state import delete_rows

MOST = 20  # passkeys per user
_NOT_ADDED = "The passkey could not be added. Try again."


def list_passkeys(*, principal: Principal) -> list[Passkey]:
    """The caller's passkeys, oldest first. Raises Denied, IntegrityFailed."""
    return [
        row.check_mac() for row in Passkey.objects.filter(user=principal.person_id).order_by("created_at")
    ]


def has_passkeys(user_id: UUID) -> bool:
    return bool(Passkey.objects.filter(user=user_id).exists())


def begin_passkey(*, principal: Principal) -> tuple[Options, State]:
    """The options for a new passkey, and the state. Raises Denied, RecentAuthRequired."""
    principal.require_recent_sign_in(database_now())
    user = User.objects.get(pk=principal.person_id).check_mac()
    user.require_local_factors()
    options, state = Ceremony().register_begin(user)
    return options, state


@transaction.atomic
def add_passkey(*, principal: Principal, name: str, state: State, credential: str) -> Passkey:
    """Store a passkey that the caller's device has created.

    Raises Denied, RecentAuthRequired (a stolen session must not leave a passkey behind), Invalid.
    """
    principal.require_recent_sign_in(database_now())
    user = User.objects.lock(principal.person_id)
    user.require_local_factors()
    confirm_rights(principal)
    if Passkey.objects.filter(user=user).count() >= MOST:
        raise Invalid(f"You already have {MOST} passkeys. Remove one first.")
    try:
        with accepting(), transaction.atomic():
            passkey: Passkey = Ceremony(name).register_complete(user, state, read_credential(credential))
    except (NotAccepted, IntegrityError):  # IntegrityError: the passkey is already registered
        raise Invalid(_NOT_ADDED) from None
    change = RowChange.of_row(passkey, after=passkey_values(passkey))
    record(user_event(actions.PASSKEY_ADDED, user.id), principal.actor, changes=[change])
    return passkey


@transaction.atomic
def rename_passkey(*, principal: Principal, passkey_id: UUID, name: str) -> None:
    """Raises Denied, NotFound."""
    passkey = _lock_own(principal, passkey_id)
    before = passkey_values(passkey)
    passkey.name = name
    passkey.save_with_mac(update_fields=["name"])
    change = RowChange.of_row(passkey, before=before, after=passkey_values(passkey))
    record(user_event(actions.PASSKEY_RENAMED, passkey.user_id), principal.actor, changes=[change])


@transaction.atomic
def remove_passkey(*, principal: Principal, passkey_id: UUID) -> None:
    """Remove a passkey. Sessions that it opened continue. Raises Denied, RecentAuthRequired, NotFound."""
    principal.require_recent_sign_in(database_now())
    _remove(principal, [_lock_own(principal, passkey_id)])


@transaction.atomic
def remove_passkeys_of(*, principal: Principal, user_id: UUID) -> int:
    """Remove all passkeys of a user whose devices are lost or stolen. Returns their number.

    Raises Denied, RecentAuthRequired, NotFound.
    """
    principal.require("users.manage")
    principal.require_recent_sign_in(database_now())
    user = User.objects.lock_managed(principal, user_id)
    found = list(Passkey.objects.filter(user=user))
    _remove(principal, found)
    confirm_rights(principal)
    return len(found)


def _lock_own(principal: Principal, passkey_id: UUID) -> Passkey:
    """The caller's passkey. The lock on the user's row makes concurrent sign-ins with the passkey wait."""
    user = User.objects.lock(principal.person_id)
    confirm_rights(principal)
    passkey: Passkey | None = Passkey.objects.filter(pk=passkey_id, user=user).first()
    if passkey is None:
        raise NotFound("This passkey does not exist. Reload the page.")
    return passkey.check_mac()


def _remove(principal: Principal, passkeys: list[Passkey]) -> None:
    for passkey in passkeys:
        change = RowChange.of_row(passkey, before=passkey_values(passkey))
        delete_rows(Passkey.objects.filter(pk=passkey.pk))
        record(user_event(actions.PASSKEY_REMOVED, passkey.user_id), principal.actor, changes=[change])
