"""Plant and remove canaries. Planting is adoption: the object exists already, and nothing about it changes.

No entry of the log shows it. The journal has it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from django.db.models import Model, Q

from accounts.models import ServiceAccount, ServiceToken, User
from canaries.documents import Canary, Exemption, Kind, Level
from canaries.naming import suggest
from canaries.store import changing
from kernel.errors import Conflict, NotFound
from keys.models import Key

_SAMPLE: Final = 2_000  # names from which suggestions are made


class _Table(NamedTuple):
    model: type[Model]
    name: str  # its column


_TABLES: Final[Mapping[Kind, _Table]] = {
    Kind.KEY: _Table(Key, "name"),
    Kind.CIPHERTEXT: _Table(Key, "name"),
    Kind.TOKEN: _Table(ServiceToken, "name"),
    Kind.CLIENT: _Table(ServiceAccount, "name"),
    Kind.USER: _Table(User, "username"),
}


def plant_canary(
    *,
    by: str,
    kind: Kind,
    reference: str,
    note: str,
    level: Level = Level.ALERT,
    exemptions: tuple[Exemption, ...] = (),
) -> Canary:
    """Adopt the object. ``by``: an officer's id, or ``HOST``. ``reference``: its ID or its name.

    Raises NotFound, Conflict, DocumentsAltered.
    """
    object_id, name = _find(kind, reference)
    with changing() as change:
        if any(each.object_id == object_id for each in change.set.canaries):
            raise Conflict("This object is a canary already.")
        canary = Canary(
            id=uuid4(),
            kind=kind,
            object_id=object_id,
            name=name,
            note=note,
            level=level,
            planted_at=change.at,
            planted_by=by,
            exemptions=exemptions,
        )
        change.set.canaries.append(canary)
        change.note("canary.planted", by=by, canary=canary)
    return canary


def remove_canary(*, by: str, canary_id: UUID) -> None:
    """The object stays, and is an ordinary one from now on. Raises NotFound, DocumentsAltered."""
    with changing() as change:
        canary = find_canary(change.set.canaries, canary_id)
        change.set.canaries.remove(canary)
        change.note("canary.removed", by=by, canary=canary.id)


def find_canary(canaries: list[Canary], canary_id: UUID) -> Canary:
    """Raises NotFound."""
    found = next((each for each in canaries if each.id == canary_id), None)
    if found is None:
        raise NotFound
    return found


def suggest_names(kind: Kind) -> list[str]:
    """Names for a new decoy that look like those of this kind."""
    model, column = _TABLES[kind]
    names = model._default_manager.order_by("-created_at").values_list(column, flat=True)[:_SAMPLE]
    return suggest(list(names))


def _find(kind: Kind, reference: str) -> tuple[str, str]:
    """The ID and the name. Raises NotFound, and Conflict if several tokens have the name."""
    model, column = _TABLES[kind]
    try:
        wanted = Q(pk=UUID(reference))
    except ValueError:
        wanted = Q(**{column: reference})
    found = list(model._default_manager.filter(wanted).values_list("pk", column)[:2])
    if not found:
        raise NotFound(f"There is no such object: {kind.replace('_', ' ')} {reference}. Create it first.")
    if len(found) > 1:
        raise Conflict(f"Several objects have the name {reference}. Use the ID.")
    [(object_id, name)] = found
    return str(object_id), name
