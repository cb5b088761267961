"""Roles as data: the permissions of each role, and whether they reach beyond the holder's own objects."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

ADMIN = "admin"
KEY_MANAGER = "key_manager"
USER_MANAGER = "user_manager"
OPERATOR = "operator"
DEVELOPER = "developer"
AUDITOR = "auditor"
SYSTEM = "system"  # the application and its commands; no user has this role

MANAGES_USERS = "users.manage"
KEY_USE = frozenset(
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
DISCLOSURE = frozenset({"keys.export", "vault.manage"})  # both can return the secret of a key
_READING = frozenset({"keys.read", "policies.read", "operations.read", "audit.read"})
_EVERYONE = _READING | {"tokens.manage"}
LIMITABLE = KEY_USE | {"keys.read", "operations.read", "audit.read", "tokens.manage"}
"""The permissions that a role can have on its holder's own objects only. The others have one reach."""
_KEY_DUTY = frozenset({"keys.rotate", "keys.disable"})  # "disable" covers disable, enable and activate
_KEY_ADMINISTRATION = _KEY_DUTY | {
    "keys.create",
    "keys.update",
    "keys.grant",
    "keys.import",
    "keys.revoke",
    "keys.destroy",
    "policies.manage",
}
_DUTIES_OF_ADMINS = frozenset(
    {"audit.export", "audit.resolve", "system.read", "system.manage", "users.read", "webhooks.manage"}
)


@dataclass(frozen=True, slots=True)
class Rights:
    """The permissions of a role. Those in ``on_all`` cover all objects, the others only the holder's own.

    A role that does not exist has no permissions.
    """

    role: str
    permissions: frozenset[str] = frozenset()
    on_all: frozenset[str] = frozenset()
    requires_second_factor: bool = False  # of people, beside the roles in CC_REQUIRE_SECOND_FACTOR

    @property
    def use_keys(self) -> bool:
        """Whether there is a permission for an operation with a key, so that a grant gives something."""
        return bool(self.permissions & KEY_USE)

    def excess_over(self, *others: "Rights") -> frozenset[str]:
        """The permissions that none of ``others`` has, or has only on their holder's own objects."""
        permissions = self.permissions.difference(*(each.permissions for each in others))
        return permissions | self.on_all.difference(*(each.on_all for each in others))

    def without(self, permissions: frozenset[str]) -> "Rights":
        return replace(self, permissions=self.permissions - permissions, on_all=self.on_all - permissions)


def _rights(role: str, on_all: frozenset[str], on_own: frozenset[str] = frozenset()) -> Rights:
    return Rights(role, on_all | on_own, on_all)


_OWN_TOKENS = frozenset({"tokens.manage"})

ROLES: Mapping[str, Rights] = {
    rights.role: rights
    for rights in (
        _rights(
            ADMIN,
            _EVERYONE
            | KEY_USE
            | _KEYLESS_USE
            | DISCLOSURE
            | _KEY_ADMINISTRATION
            | _DUTIES_OF_ADMINS
            | {MANAGES_USERS},
        ),
        _rights(KEY_MANAGER, _READING | _KEY_ADMINISTRATION | {"system.read", "users.read"}, _OWN_TOKENS),
        _rights(
            USER_MANAGER,
            frozenset({"policies.read", "tokens.manage", "users.read", MANAGES_USERS}),
            _READING - {"policies.read"},
        ),
        _rights(OPERATOR, _READING | _KEYLESS_USE | _KEY_DUTY | {"system.read"}, _OWN_TOKENS),
        _rights(
            DEVELOPER,
            _KEYLESS_USE | {"keys.create", "policies.read"},
            KEY_USE | _OWN_TOKENS | (_READING - {"policies.read"}),
        ),
        _rights(AUDITOR, _READING | {"audit.export", "users.read", "system.read"}, _OWN_TOKENS),
    )
}
"""The rights of each role as shipped. ``accounts.models.roles.rights_of`` gives those of this installation."""

PERMISSIONS = frozenset[str]().union(*(rights.permissions for rights in ROLES.values()))
SYSTEM_RIGHTS = Rights(SYSTEM, PERMISSIONS, PERMISSIONS)

LABELS: Mapping[str, str] = {role: role.replace("_", " ").capitalize() for role in ROLES}
DESCRIPTIONS: Mapping[str, str] = {
    ADMIN: "Can manage users, all keys and the system. Can also use and export every key, unless a setting forbids it.",
    KEY_MANAGER: "Can create and manage all keys, grants and policies. Cannot use keys or manage users.",
    USER_MANAGER: "Can manage users, service accounts and tokens, but not those with more rights. Cannot manage keys.",
    OPERATOR: "Can see, rotate, disable and enable all keys. Cannot use keys.",
    DEVELOPER: "Can create keys and use them. Can also use other keys if an administrator or key manager grants access.",
    AUDITOR: "Can see all keys and users, and see and export the audit log. Cannot change anything.",
}

GRANTABLE = tuple(sorted(permission.removeprefix("crypto.") for permission in KEY_USE))
"""The operations that a grant can give, as words."""


def permission_of(word: str) -> str:
    """The permission that a scope or a grant names: ``crypto.encrypt`` for ``encrypt``."""
    return word if "." in word else f"crypto.{word}"


def word_of(permission: str) -> str:
    """The word for a permission in scopes and grants: ``encrypt`` for ``crypto.encrypt``."""
    return permission.removeprefix("crypto.")
