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

TABLES: Final[Mapping[Kind, tuple[type[Model], str]]] = {
    Kind.KEY: (Key, "name"),
    Kind.CIPHERTEXT: (Key, "name"),
    Kind.TOKEN: (ServiceToken, "name"),
    Kind.CLIENT: (ServiceAccount, "name"),
    Kind.USER: (User, "username"),
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


def _name_of(kind: Kind, object_id: UUID) -> str:
    """Raises NotFound."""
    model, column = TABLES[kind]
    row = model._default_manager.filter(pk=object_id).values_list(column).first()
    if row is None:
        raise NotFound
    return str(row[0])
