"""Roles that this installation defines: create, change and delete them. Their holders' rights change at once."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, TypedDict, Unpack

from django.db import transaction

from accounts import actions
from accounts.errors import RoleInUse
from accounts.models import Role, ServiceAccount, User
from accounts.models.names import unique_name
from accounts.models.roles import MAX_ROLE_NAME, find_rights, list_rights
from accounts.principals import ROLES_ENTITY, Principal
from accounts.roles import DESCRIPTIONS, LIMITABLE, MANAGES_USERS, PERMISSIONS, ROLES, SYSTEM, Rights
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import reason_given
from accounts.users.services.editing import require_admin
from accounts.users.services.new_admins import announce_admin
from audit.log.events import Event, RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Invalid, NotFound
from kernel.freshness.epoch import raise_epoch
from kernel.labels import check_name, prose_fault
from kernel.trust.row_state import delete_rows

MAX_DESCRIPTION: Final = 1000
MAX_ROLES: Final = 100

count_uses: Final[list[Callable[[str], int]]] = []  # noqa: CC6 - filled when the apps are ready
"""Functions of other apps, which count what else refers to a role, such as grants."""


class RoleFields(TypedDict, total=False):
    """Omitted fields keep their values, or have the defaults of the model."""

    permissions: Collection[str]
    on_all: Collection[str]
    description: str
    requires_second_factor: bool


@dataclass(frozen=True, slots=True)
class ListedRole:
    """A role with its description. ``role`` is None for a built-in role."""

    rights: Rights
    description: str
    role: Role | None = None

    @property
    def is_built_in(self) -> bool:
        return self.role is None


def list_roles(*, principal: Principal) -> list[ListedRole]:
    """The built-in roles, and then the others by name. Raises Denied, IntegrityFailed."""
    principal.require("users.read")
    rows = {row.name: row for row in Role.objects.all()}
    return [_listed(rights, rows.get(rights.role)) for rights in list_rights()]


def get_role(*, principal: Principal, name: str) -> ListedRole:
    """Raises Denied, NotFound, IntegrityFailed."""
    principal.require("users.read")
    rights = find_rights(name)
    if rights is None:
        raise NotFound("There is no role with this name.")
    return _listed(rights, Role.objects.filter(pk=name).first())


def create_role(*, principal: Principal, name: str, reason: str = "", **fields: Unpack[RoleFields]) -> Role:
    """Raises Denied, RecentAuthRequired, Invalid, NameTaken."""
    _require_editor(principal)
    check_name(name)
    if len(name) > MAX_ROLE_NAME or name in {*ROLES, SYSTEM}:
        raise Invalid.of_field("name", f"Use at most {MAX_ROLE_NAME} characters, and not a built-in name.")
    role = Role(name=name, created_at=database_now())
    _set(principal, role, fields)
    with unique_name(Role, name, "role"):
        if Role.objects.count() >= MAX_ROLES:
            raise Invalid.of_field("name", f"There can be {MAX_ROLES} roles. Delete one first.")
        role.save_with_mac()
        change = RowChange.of_row(role, after=_values(role))
        _finish(principal, actions.ROLE_CREATED, role, change, reason)
    return role


@transaction.atomic
def update_role(
    *,
    principal: Principal,
    name: str,
    changes: RoleFields,
    reason: str = "",
    check: Callable[[Role], None] | None = None,
) -> Role:
    """Change a role. The new rights of its holders apply at once, in every process.

    ``check`` may refuse the locked role with an error of its own. Raises Denied, RecentAuthRequired, NotFound, Invalid,
    LastAdmin.
    """
    _require_editor(principal)
    role = _lock(principal, name)
    if check is not None:
        check(role)
    before, managed_users = _values(role), MANAGES_USERS in role.permissions
    _set(principal, role, changes)
    if _values(role) == before:
        return role
    role.save_with_mac()
    change = RowChange.of_row(role, before=before, after=_values(role))
    _finish(principal, actions.ROLE_CHANGED, role, change, reason)
    if managed_users and MANAGES_USERS not in role.permissions:
        require_admin()
    if not managed_users:
        for user in User.objects.filter(role=name, is_active=True):
            announce_admin(user, principal)
    return role


@transaction.atomic
def delete_role(*, principal: Principal, name: str) -> None:
    """Delete a role that no user, service account or grant has. Raises Denied, RecentAuthRequired, NotFound, RoleInUse."""
    _require_editor(principal)
    role = _lock(principal, name)
    change = RowChange.of_row(role, before=_values(role))
    delete_rows(Role.objects.filter(pk=name))
    _finish(principal, actions.ROLE_DELETED, role, change)
    # The epoch is locked: a change that gives the role to someone has committed, or will find that the role is gone.
    if uses := _uses_of(name):
        raise RoleInUse(uses)


def _uses_of(name: str) -> int:
    """How many users, service accounts and grants have the role."""
    holders = [model.objects.filter(role=name).count() for model in (User, ServiceAccount)]
    return sum(holders) + sum(count(name) for count in count_uses)


def _require_editor(principal: Principal) -> None:
    principal.require(MANAGES_USERS)
    principal.require_recent_sign_in(database_now())


def _listed(rights: Rights, row: Role | None) -> ListedRole:
    return ListedRole(rights, DESCRIPTIONS[rights.role] if row is None else row.description, row)


def _lock(principal: Principal, name: str) -> Role:
    """Raises Invalid for a built-in role, NotFound, IntegrityFailed, and Denied if its rights exceed the principal's."""
    if name in ROLES:
        raise Invalid.of_field("name", "A built-in role cannot change. Create a role with other permissions.")
    role = first_of(Role.objects.select_for_update().filter(pk=name)).check_mac()
    principal.require_rights(role.rights, to_take_away=True)  # ``_set`` checks what it gives
    return role


def _set(principal: Principal, role: Role, fields: RoleFields) -> None:
    role.permissions = sorted(set(fields.get("permissions", role.permissions)))
    kept = set(role.on_all) & set(role.permissions)
    role.on_all = sorted(set(fields.get("on_all", kept)))
    role.description = fields.get("description", role.description)
    role.requires_second_factor = fields.get("requires_second_factor", role.requires_second_factor)
    if fault := prose_fault(role.description, MAX_DESCRIPTION):
        raise Invalid.of_field("description", fault)
    _check_permissions(role)
    principal.require_rights(role.rights)


def _check_permissions(role: Role) -> None:
    if unknown := sorted(set(role.permissions) - PERMISSIONS):
        raise Invalid.of_field("permissions", f"There is no permission {unknown[0]}.")
    if not role.permissions:
        raise Invalid.of_field("permissions", "Choose at least one permission.")
    if others := sorted(set(role.on_all) - (set(role.permissions) & LIMITABLE)):
        words = ", ".join(sorted(LIMITABLE))
        raise Invalid.of_field(
            "on_all", f"Choose from the permissions of the role, among {words}. {others[0]} is not one."
        )


def _values(role: Role) -> dict[str, object]:
    """The declared fields for the audit log."""
    return {
        "name": role.name,
        "description": role.description,
        "permissions": role.permissions,
        "on_all": role.on_all,
        "requires_second_factor": role.requires_second_factor,
    }


def _finish(principal: Principal, action: str, role: Role, change: RowChange, reason: str = "") -> None:
    event = Event(action=action, object_type="role", object_id=role.name, meta=reason_given(reason))
    record(event, principal.actor, changes=[change])
    raise_epoch(ROLES_ENTITY)
    if role.name != principal.role:  # the change itself may take rights from the caller
        confirm_rights(principal)
