"""The rights of each role in this installation."""

from collections.abc import Sequence

from django.conf import settings

from accounts.roles import ADMIN, DISCLOSURE, KEY_USE, KEYLESS_USE, ROLES, Rights


def rights_of(role: str) -> Rights:
    """A role that does not exist has no permissions."""
    rights = ROLES.get(role, Rights(role))
    if role == ADMIN and not settings.CC_ADMIN_USES_KEYS:
        return rights.without(KEY_USE | KEYLESS_USE | DISCLOSURE)  # an exported key can be used, too
    return rights


def list_rights() -> Sequence[Rights]:
    """Those of all roles."""
    return [rights_of(role) for role in ROLES]


def roles_with(permission: str) -> list[str]:
    """The names of the roles that have the permission, on all objects or only on their own."""
    return [each.role for each in list_rights() if permission in each.permissions]


def roles_that_use_keys() -> list[str]:
    return [each.role for each in list_rights() if each.use_keys]
