"""Who sees the callers of a key: its owner, and readers of the whole log. The holder of a grant sees sums only."""

from django.db.models import QuerySet

from accounts.principals import Principal
from audit.models import READ_PERMISSION
from audit.usage.queries import Denials, KeyUse, denials_of, use_of
from keys.models import Key
from keys.services.reading import ids_of_own_keys


def sees_callers(*, principal: Principal, key: Key) -> bool:
    """Raises Denied."""
    return principal.scope(READ_PERMISSION) == "all" or key.owner == principal.identity


def use_shown_to(principal: Principal, key: Key) -> KeyUse:
    """The usage and the denials of a visible key, without names if the principal may not see its callers."""
    use = use_of(key.id)
    return use if sees_callers(principal=principal, key=key) else use.without_names()


def denials_shown_to(principal: Principal, key: Key) -> Denials | None:
    """The denials alone, likewise."""
    denials = denials_of(key.id)
    return denials and (denials if sees_callers(principal=principal, key=key) else denials.without_name())


def ids_with_callers(*, principal: Principal) -> QuerySet[Key, str] | None:
    """The ids of the keys whose callers the principal sees, as ``ids_of_own_keys``; None for all keys."""
    if principal.scope(READ_PERMISSION) == "all":
        return ids_of_own_keys(principal=principal)
    return Key.objects.visible_to(principal).created_by_identity(principal.identity).ids_as_logged()
