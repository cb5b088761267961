"""Users and service accounts as holders of rights, to decide what another caller may do."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db.models import Case, Q, QuerySet, When

from accounts.models import ServiceAccount, User
from accounts.models.roles import read_rights_of
from audit.log.raw_rows import Spelled
from kernel.errors import Denied, NotFound
from kernel.identities import Identity
from kernel.trust.row_heads import current_rows

type KnownHolder = User | ServiceAccount

_MAX_HOLDERS: Final = 500


def list_holders(known: Collection[UUID]) -> list[KnownHolder]:
    """The users and service accounts with the ids in ``known``, and the active ones, by name, for display.

    At most ``_MAX_HOLDERS`` of each type, plus those in ``known``. Only the MACs of their roles are checked.
    """
    shown = Q(is_active=True) | Q(pk__in=known)
    first = Case(When(pk__in=known, then=0), default=1)
    users = User.objects.filter(shown).order_by(first, "username")[: _MAX_HOLDERS + len(known)]
    accounts = ServiceAccount.objects.filter(shown).order_by(first, "name")[: _MAX_HOLDERS + len(known)]
    holders = sorted([*users, *accounts], key=lambda each: each.name)
    read_rights_of(holders)
    return holders


def find_holders(holder_ids: Collection[UUID]) -> list[KnownHolder]:
    """The users and service accounts with these ids, including disabled ones. For display: MACs are not checked."""
    users = User.objects.filter(pk__in=holder_ids)
    accounts = ServiceAccount.objects.filter(pk__in=holder_ids)
    return [*users, *accounts]


def ids_of_holders_named(search: str) -> QuerySet[User, str]:
    """The IDs, as text, of users and service accounts with ``search`` in their names, for use in a subquery."""
    users = User.objects.filter(username__icontains=search).order_by()
    accounts = ServiceAccount.objects.filter(name__icontains=search).order_by()
    return users.values_list(Spelled("pk"), flat=True).union(
        accounts.values_list(Spelled("pk"), flat=True), all=True
    )


def account_names(account_ids: Collection[UUID | None]) -> dict[UUID | None, str]:
    """The names of service accounts by id, with one query or, without ids, none. None is ignored."""
    ids = [each for each in account_ids if each is not None]
    return dict(ServiceAccount.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def find_holder(holder_id: UUID) -> KnownHolder:
    """The user or service account with the id. Raises NotFound, IntegrityFailed."""
    users, accounts = User.objects.filter(pk=holder_id), ServiceAccount.objects.filter(pk=holder_id)
    found: list[KnownHolder] = [*current_rows(users), *current_rows(accounts)]
    if not found:
        raise NotFound("There is no user or service account with this id.")
    return found[0]


def require_permitted(identity: Identity, permission: str) -> KnownHolder:
    """The requester of work that runs later. Raises Denied if they were disabled or have lost the permission."""
    try:
        holder = find_holder(identity.id) if identity.id else None
    except NotFound:
        holder = None
    if holder is None or not holder.is_active or permission not in holder.permissions:
        raise Denied(
            f"The requester of this job no longer has the permission {permission}.",
            extra={"permission": permission},
        )
    return holder
