"""The rights of each role in this installation: the built-in roles, and those in the table."""

from collections.abc import Iterable
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Cast

from accounts.roles import ADMIN, DESCRIPTIONS, DISCLOSURE, KEY_USE, LIMITABLE, ROLES, Rights
from kernel.trust.row_heads import current_rows, find_current
from kernel.trust.row_mac import MacField, MacProtectedRow

MAX_ROLE_NAME = 20


class RoleQuerySet(models.QuerySet["Role"]):
    def with_permission(self, permission: str) -> Self:
        """MACs are not checked."""
        words = self.alias(words=Cast("permissions", models.TextField()))
        return words.filter(words__contains=f'"{permission}"')


class Role(MacProtectedRow):
    """A custom role.

    ``permissions``: all of them. ``on_all``: those of ``LIMITABLE`` that cover all objects. The rights of its holders are read with
    each request, so the principals' stamps carry the entity ``accounts.principals.ROLES_ENTITY``.
    """

    MAC_LABEL = "roles"
    STATE = ("row_mac", "description")

    name = models.CharField(max_length=MAX_ROLE_NAME, primary_key=True)
    description = models.TextField(blank=True)
    permissions = models.JSONField(default=list)
    on_all = models.JSONField(default=list)
    requires_second_factor = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = RoleQuerySet.as_manager()

    class Meta:
        db_table = "roles"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def rights(self) -> Rights:
        permissions = frozenset(self.permissions)
        return Rights(
            self.name,
            permissions,
            (permissions - LIMITABLE) | frozenset(self.on_all),
            requires_second_factor=self.requires_second_factor,
        )

    def mac_fields(self) -> tuple[MacField, ...]:
        return self.name, self.permissions, self.on_all, self.requires_second_factor, self.created_at


class RoleHolder:
    """A user or service account, whose role decides about their rights."""

    role: str
    known_rights: Rights | None = None

    @property
    def rights(self) -> Rights:
        """Those of ``role``, read once."""
        if self.known_rights is None or self.known_rights.role != self.role:
            self.known_rights = rights_of(self.role)
        return self.known_rights


def rights_of(name: str) -> Rights:
    """A role that does not exist has no permissions. Raises IntegrityFailed."""
    return find_rights(name) or Rights(name)


def find_rights(name: str) -> Rights | None:
    """None if there is no such role. Raises IntegrityFailed."""
    if name in ROLES:
        return _built_in(name)
    role = find_current(Role.objects.filter(pk=name))
    return None if role is None else role.rights


def list_rights() -> list[Rights]:
    """Those of all roles, first of the built-in ones. Raises IntegrityFailed."""
    return [*map(_built_in, ROLES), *(role.rights for role in current_rows(Role.objects.all()))]


def roles_that_use_keys() -> list[str]:
    return [each.role for each in list_rights() if each.use_keys]


def role_descriptions() -> dict[str, str]:
    """By the name of the role, first of the built-in ones. MACs are not checked."""
    return {**DESCRIPTIONS, **dict(Role.objects.values_list("name", "description"))}


def description_of(name: str) -> str:
    """Without a statement for a built-in role. The MAC is not checked."""
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    return Role.objects.filter(pk=name).values_list("description", flat=True).first() or ""


def has_role_with(permission: str) -> models.Q:
    """The users and service accounts whose role has the permission, on all objects or only on their own."""
    built_in = [name for name in ROLES if permission in _built_in(name).permissions]
    own = Role.objects.with_permission(permission).order_by().values("pk")
    return models.Q(role__in=built_in) | models.Q(role__in=own)


def read_rights_of(holders: Iterable[RoleHolder]) -> None:
    """Read the rights of many holders with at most one statement. Raises IntegrityFailed."""
    of_own_roles = [each for each in holders if each.role not in ROLES]
    if of_own_roles:
        known = {rights.role: rights for rights in list_rights()}
        for each in of_own_roles:
            each.known_rights = known.get(each.role, Rights(each.role))


def _built_in(name: str) -> Rights:
    rights = ROLES[name]
    if name == ADMIN and not settings.CC_ADMIN_USES_KEYS:
        return rights.without(KEY_USE | DISCLOSURE)  # an exported key can be used, too
    return rights
