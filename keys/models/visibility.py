"""The rules of ``authorize`` about reading keys, as a query condition."""

from typing import Any

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from accounts.authorization import READ_KEYS
from accounts.principals import Principal
from accounts.roles import sees_all
from kernel.identities import Identity
from keys.models.grants import KeyGrant


def is_visible(principal: Principal) -> Q:
    """The keys on which ``authorize`` allows ``keys.read``. Raises Denied without that permission."""
    principal.require(READ_KEYS)
    return is_within_reach(principal)


def is_within_reach(principal: Principal) -> Q:
    """The keys that exist for the principal, as ``accounts.authorization.is_within_reach`` decides."""
    condition = Q() if sees_all(principal.role, READ_KEYS) else _is_own_or_granted(principal)
    limits = principal.limits
    return condition if limits is None or limits.key_ids is None else condition & Q(pk__in=limits.key_ids)


def _is_own_or_granted(principal: Principal) -> Q:
    grants = KeyGrant.objects.of(principal).in_force(Now())
    granted = Q(pk__in=grants.filter(key__isnull=False).values("key"))
    tagged = Q(Exists(grants.exclude(tag="").filter(HasElement(OuterRef("tags"), F("tag")))))
    return is_own(principal.identity) | granted | tagged


def is_own(identity: Identity) -> Q:
    """The keys that the user or service account created; none for the system."""
    if identity.id is None:
        return Q(pk__in=[])
    return Q(created_by=identity.id) if identity.user_id else Q(service_account_id=identity.id)


class HasElement(models.Func):
    """Whether a JSON list contains a text."""

    template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s))"
    arg_joiner = ") WHERE json_each.value = ("
    output_field = models.BooleanField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="jsonb_exists(%(expressions)s)", arg_joiner=", ", **context
        )
