"""Roles as data: which permission each role has, and whether it reaches beyond what is one's own."""

from collections.abc import Mapping

ADMIN = "admin"
OPERATOR = "operator"
DEVELOPER = "developer"
AUDITOR = "auditor"
SYSTEM = "system"  # the application itself and its commands: no user has it

_EVERYONE = frozenset({"keys.read", "policies.read", "operations.read", "audit.read", "tokens.manage"})
_KEY_USE = frozenset(
    {
        "crypto.encrypt",
        "crypto.decrypt",
        "crypto.reencrypt",
        "crypto.sign",
        "crypto.verify",
        "crypto.mac",
        "crypto.derive",
    }
)
_KEYLESS_USE = frozenset({"crypto.random", "crypto.inspect"})
_KEY_DUTY = frozenset({"keys.rotate", "keys.disable"})  # "disable" covers disable, enable and activate
_ADMIN_ONLY = frozenset(
    {
        "keys.update",
        "keys.grant",
        "keys.import",
        "keys.revoke",
        "keys.destroy",
        "keys.export",
        "policies.manage",
        "audit.resolve",
        "users.manage",
    }
)

ROLES: Mapping[str, frozenset[str]] = {
    ADMIN: _EVERYONE
    | _KEY_USE
    | _KEYLESS_USE
    | _KEY_DUTY
    | _ADMIN_ONLY
    | {"keys.create", "audit.export", "users.read", "system.read"},
    OPERATOR: _EVERYONE | _KEYLESS_USE | _KEY_DUTY | {"system.read"},
    DEVELOPER: _EVERYONE | _KEY_USE | _KEYLESS_USE | {"keys.create"},
    AUDITOR: _EVERYONE | {"audit.export", "users.read", "system.read"},
}
PERMISSIONS = frozenset[str]().union(*ROLES.values())

_OWN_ONLY: Mapping[str, frozenset[str]] = {
    OPERATOR: frozenset({"tokens.manage"}),
    DEVELOPER: _KEY_USE | {"keys.read", "operations.read", "audit.read", "tokens.manage"},
    AUDITOR: frozenset({"tokens.manage"}),
}


def sees_all(role: str, permission: str) -> bool:
    """Whether the role holds the permission for everybody's objects; an unknown role holds nothing."""
    if role == SYSTEM:
        return permission in PERMISSIONS
    return permission in ROLES.get(role, frozenset()) - _OWN_ONLY.get(role, frozenset())


def roles_with(permission: str) -> list[str]:
    """The roles that hold it, over whatever objects."""
    return [role for role, held in ROLES.items() if permission in held]
