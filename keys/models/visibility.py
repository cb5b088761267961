"""The rules of ``authorize`` about reading keys, as a query condition."""

from typing import Any

from django.db import models
from django.db.models import F, Q, Subquery, TextField
from django.db.models.functions import Cast, Now

from accounts.authorization import READ_KEYS
from accounts.principals import Principal
from kernel.identities import Identity
from keys.models.grants import KeyGrant


def is_visible(principal: Principal) -> Q:
    """The keys on which ``authorize`` allows ``keys.read``. Raises Denied without that permission."""
    principal.require(READ_KEYS)
    return is_within_reach(principal)


def is_within_reach(principal: Principal) -> Q:
    """The keys that exist for the principal, as ``accounts.authorization.is_within_reach`` decides."""
    condition = Q() if principal.sees_all(READ_KEYS) else _is_own_or_granted(principal)
    return condition & _is_within_limits(principal)


def visible_parts(principal: Principal) -> list[Q]:
    """``is_visible`` as conditions that exclude one another, each of which an index supports.

    For the OR of ``is_visible``, the database tests each key. That suits a page of a list, and not a sum over all keys.
    Raises Denied.
    """
    principal.require(READ_KEYS)
    limits = _is_within_limits(principal)
    if principal.sees_all(READ_KEYS):
        return [limits]
    own, [by_key, by_tag] = is_own(principal.identity), _is_granted(principal)
    return [own & limits, by_key & ~own & limits, by_tag & ~by_key & ~own & limits]


def _is_within_limits(principal: Principal) -> Q:
    limits = principal.limits
    return Q() if limits is None or limits.key_ids is None else Q(pk__in=limits.key_ids)


def _is_own_or_granted(principal: Principal) -> Q:
    by_key, by_tag = _is_granted(principal)
    return is_own(principal.identity) | by_key | by_tag


def _is_granted(principal: Principal) -> tuple[Q, Q]:
    """The keys with a grant of their own, and those with a granted tag."""
    grants = KeyGrant.objects.of(principal).in_force(Now())
    of_keys = grants.filter(key__isnull=False).values("key")
    tags = grants.exclude(tag="").values(word=Cast("tag", TextField()))
    return Q(pk__in=of_keys), Q(_HasAnyElement(F("tags"), Subquery(tags)))


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
        # The operator, because an index supports it.
        return self.as_sql(
            compiler,
            connection,
            template="(%(expressions)s::text))",
            arg_joiner=" @> to_jsonb(",
            **context,
        )


class _HasAnyElement(models.Func):
    """Whether a JSON list contains any of the texts of a subquery, which the database runs once."""

    template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s)"
    arg_joiner = ") WHERE json_each.value IN "
    output_field = models.BooleanField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # The operator, because no index supports the function of it.
        return self.as_sql(
            compiler, connection, template="(%(expressions)s)", arg_joiner=" ?| ARRAY", **context
        )
