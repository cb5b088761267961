"""Service accounts: applications with rights of their own, and their client secrets."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypedDict
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import actions
from accounts.models import ClientSecret, ServiceAccount
from accounts.models.names import unique_name
from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import reason_given
from accounts.users.services.creation import require_known_role
from audit.log.events import Event, RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Invalid
from kernel.freshness.epoch import lock_epoch, raise_epoch
from kernel.labels import check_name, prose_fault
from kernel.trust.row_heads import find_current
from kernel.trust.row_state import delete_rows

MAX_DESCRIPTION: Final = 1000
MAX_OVERLAP_HOURS: Final = 168
_SECRET_PREFIX: Final = "ccs_"  # noqa: S105 - a prefix, for secret scanners


class _AccountUpdate(TypedDict, total=False):
    """The fields to change."""

    role: str
    description: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    account: ServiceAccount
    client_secret: str = field(repr=False)


def list_service_accounts(*, principal: Principal, search: str = "") -> QuerySet[ServiceAccount]:
    """The service accounts by name: all, or those whose names contain ``search``. Raises Denied."""
    accounts = ServiceAccount.objects.visible_to(principal).order_by("name", "id")
    return accounts.filter(name__contains=search.lower()) if search else accounts


def get_service_account(*, principal: Principal, account_id: UUID) -> ServiceAccount:
    """Raises Denied, NotFound, IntegrityFailed."""
    return first_of(list_service_accounts(principal=principal).filter(pk=account_id)).check_mac()


def create_service_account(
    *, principal: Principal, name: str, role: str, description: str = ""
) -> CreatedAccount:
    """Create an account with its first client secret, which is returned only here.

    Raises Denied, RecentAuthRequired, Invalid, NameTaken.
    """
    principal.require("users.manage")
    now = database_now()
    principal.require_recent_sign_in(now)
    check_name(name)
    account = ServiceAccount(name=name, created_at=now, created_by_id=principal.user_id)
    _set_fields(principal, account, {"role": role, "description": description})
    with unique_name(ServiceAccount, name, "service account"):
        account.save_with_mac()
        client_secret = _add_secret(account, now)
        inserted = RowChange.of_row(account, after=_account_values(account))
        _record(actions.SERVICE_ACCOUNT_CREATED, account, principal, inserted)
        lock_epoch()
        principal.require_rights(require_known_role(role))  # it may have changed meanwhile
        confirm_rights(principal)
    return CreatedAccount(account, client_secret)


@transaction.atomic
def update_service_account(
    *,
    principal: Principal,
    account_id: UUID,
    changes: _AccountUpdate,
    reason: str = "",
    check: Callable[[ServiceAccount], None] | None = None,
) -> ServiceAccount:
    """Change the role, the description or whether the account is active. All its tokens follow at once.

    ``check`` may refuse the account, after it is locked, with an error of its own. Raises Denied, RecentAuthRequired
    for a role, NotFound, Invalid.
    """
    principal.require("users.manage")
    account = _lock(principal, account_id, to_take_away=changes == {"is_active": False})
    if check is not None:
        check(account)
    before = _account_values(account)
    if changes.get("role", account.role) != account.role:
        principal.require_recent_sign_in(database_now())
    _set_fields(principal, account, changes)
    after = _account_values(account)
    if after == before:
        return account
    account.save_with_mac()
    if not account.is_active:
        _end_issued_tokens(account)
    change = RowChange.of_row(account, before=before, after=after)
    _record(actions.SERVICE_ACCOUNT_CHANGED, account, principal, change, **reason_given(reason))
    raise_epoch(account.identity.entity)
    if "role" in changes:
        principal.require_rights(require_known_role(account.role))  # it may have changed meanwhile
    confirm_rights(principal)
    return account


@transaction.atomic
def rotate_client_secret(*, principal: Principal, account_id: UUID, overlap: timedelta) -> str:
    """A new client secret. Older secrets stay valid for ``overlap``, at most seven days.

    Raises Denied, RecentAuthRequired, NotFound, Invalid.
    """
    principal.require("users.manage")
    now = database_now()
    principal.require_recent_sign_in(now)
    require_overlap(overlap)
    account = _lock(principal, account_id)
    _end_secrets(account, now + overlap)
    if not overlap:
        _end_issued_tokens(account)
    client_secret = _add_secret(account, now)
    seconds = int(overlap.total_seconds())
    _record(actions.CLIENT_SECRET_ROTATED, account, principal, overlap_seconds=seconds)
    raise_epoch(account.identity.entity)
    confirm_rights(principal)
    return client_secret


def require_overlap(overlap: timedelta) -> None:
    """Raises Invalid."""
    if not timedelta(0) <= overlap <= timedelta(hours=MAX_OVERLAP_HOURS):
        raise Invalid.of_field("overlap_hours", f"Must be 0 to {MAX_OVERLAP_HOURS} hours.")


def find_client_secret(account: ServiceAccount, client_secret: str) -> ClientSecret | None:
    """The account's secret with this text, perhaps expired. Raises IntegrityFailed."""
    return find_current(account.secrets.filter(secret_hash=_digest(client_secret)))


def _account_values(account: ServiceAccount) -> dict[str, object]:
    """The declared fields for the audit log."""
    return {
        "name": account.name,
        "role": account.role,
        "description": account.description,
        "is_active": account.is_active,
    }


def _lock(principal: Principal, account_id: UUID, *, to_take_away: bool = False) -> ServiceAccount:
    """Raises Denied if the account has rights that the principal lacks, NotFound, IntegrityFailed."""
    account = first_of(ServiceAccount.objects.select_for_update().filter(pk=account_id)).check_mac()
    principal.require_rights(account.rights, to_take_away=to_take_away)
    return account


def _set_fields(principal: Principal, account: ServiceAccount, changes: _AccountUpdate) -> None:
    if "role" in changes:
        principal.require_rights(require_known_role(changes["role"]))
    if fault := prose_fault(changes.get("description", ""), MAX_DESCRIPTION):
        raise Invalid.of_field("description", fault)
    for name, value in changes.items():
        setattr(account, name, value)


def _end_secrets(account: ServiceAccount, at: datetime) -> None:
    for row in account.secrets.order_by("pk"):
        row.check_mac()
        if row.expires_at is None or row.expires_at > at:
            row.expires_at = at
            row.save_with_mac()


def _end_issued_tokens(account: ServiceAccount) -> None:
    """End the short-lived tokens, which are in no list and whose client secret or account ends now."""
    delete_rows(account.tokens.filter(is_issued=True))


def _add_secret(account: ServiceAccount, now: datetime) -> str:
    client_secret = _SECRET_PREFIX + secrets.token_urlsafe(32)
    delete_rows(account.secrets.filter(expires_at__lt=now))
    row = ClientSecret(service_account=account, secret_hash=_digest(client_secret), created_at=now)
    row.save_with_mac()
    return client_secret


def _digest(client_secret: str) -> str:
    return hashlib.sha256(client_secret.encode()).hexdigest()


def _record(
    action: str,
    account: ServiceAccount,
    principal: Principal,
    *changes: RowChange,
    **meta: object,
) -> None:
    event = Event(action=action, object_type="service_account", object_id=str(account.id), meta=meta)
    record(event, principal.actor, changes=changes)
