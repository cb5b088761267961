"""Columns with the id of an identity: one for users, and one for service accounts."""

from django.db.models import Q

from kernel.identities import Identity


def is_of(identity: Identity, *, user: str, other: str = "actor_id") -> Q:
    """The rows of a user or service account: ``user`` is the column of users' ids, ``other`` that of accounts' ids.

    The system has no rows: if both columns are null, the actor may be an anonymous client.
    """
    if identity.id is None:
        return Q(pk__in=())
    return Q(**{user if identity.user_id else other: identity.id})
