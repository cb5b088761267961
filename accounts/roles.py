"""Roles as data: the permissions of each role, and whether they reach beyond the user's own objects."""

from collections.abc import Mapping

ADMIN = "admin"
OPERATOR = "operator"
DEVELOPER = "developer"
AUDITOR = "auditor"
SYSTEM = "system"  # the application and its commands; no user has this role

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
        "crypto.data_key",
        "crypto.encapsulate",
        "crypto.decapsulate",
        "crypto.agree",
        "crypto.jwt",
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
        "system.manage",
        "audit.resolve",
        "users.manage",
        "webhooks.manage",
        "vault.manage",
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
DESCRIPTIONS: Mapping[str, str] = {
    ADMIN: "Can manage users and all keys, and use every key.",
    OPERATOR: "Can see, rotate, disable and enable all keys. Cannot use keys.",
    DEVELOPER: "Can create keys and use them. Can also use other keys if an administrator grants access.",
    AUDITOR: "Can see all keys and users, and see and export the audit log. Cannot change anything.",
}

_OWN_ONLY: Mapping[str, frozenset[str]] = {
    OPERATOR: frozenset({"tokens.manage"}),
    DEVELOPER: _KEY_USE | {"keys.read", "operations.read", "audit.read", "tokens.manage"},
    AUDITOR: frozenset({"tokens.manage"}),
}


_ON_ALL = {role: held - _OWN_ONLY.get(role, frozenset()) for role, held in ROLES.items()} | {
    SYSTEM: PERMISSIONS
}


def sees_all(role: str, permission: str) -> bool:
    """Whether the role has the permission on all users' objects. An unknown role has no permissions."""
    return permission in _ON_ALL.get(role, ())


GRANTABLE = tuple(sorted(permission.removeprefix("crypto.") for permission in _KEY_USE))
"""The operations that a grant can give, as words."""


def uses_keys(role: str) -> bool:
    """Whether the role has the permission for an operation with a key, so that a grant gives something."""
    return bool(ROLES.get(role, frozenset()) & _KEY_USE)


def permission_of(word: str) -> str:
    """The permission that a scope or a grant names: ``crypto.encrypt`` for ``encrypt``."""
    return word if "." in word else f"crypto.{word}"


def word_of(permission: str) -> str:
    """The word for a permission in scopes and grants: ``encrypt`` for ``crypto.encrypt``."""
    return permission.removeprefix("crypto.")


def roles_with(permission: str) -> list[str]:
    """The roles that have the permission, on all objects or only on their own."""
    return [role for role, held in ROLES.items() if permission in held]
