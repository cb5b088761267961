"""Plant and remove canaries. Planting is adoption: the object exists already, and nothing about it changes.

No entry of the log shows it. The journal has it.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID, uuid4

from django.db.models import Model

from accounts.models import ServiceAccount, ServiceToken, User
from audit.log.action_labels import is_known
from canaries.documents import Canary, Exemption, Kind, Level
from canaries.naming import suggest
from canaries.notices import ASK, CANARY_REMOVED, queue_text
from canaries.sealed.store import changing
from kernel.errors import Conflict, Invalid, NotFound
from keys.models import Key

MOST_EXEMPTIONS: Final = 8  # of a canary: they fit a page of the journal
_SAMPLE: Final = 2_000  # names from which suggestions are made
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
    object_id: UUID,
    note: str,
    level: Level = Level.ALERT,
    exemptions: tuple[Exemption, ...] = (),
) -> Canary:
    """Adopt the object. ``by``: an officer's id, or ``HOST``. Raises NotFound, Conflict, Invalid, DocumentsAltered."""
    name = _name_of(kind, object_id)
    check_exemptions(exemptions)
    with changing(by) as change:
        if any(each.object_id == str(object_id) for each in change.set.canaries):
            raise Conflict("This object is a canary already.")
        canary = Canary(
            id=uuid4(),
            kind=kind,
            object_id=str(object_id),
            name=name,
            note=note,
            level=level,
            planted_at=change.at,
            planted_by=by,
            exemptions=exemptions,
        )
        change.set.canaries.append(canary)
        change.note("canary.planted", canary=canary)
    return canary


def check_exemptions(exemptions: Sequence[Exemption]) -> None:
    """Raises Invalid if they are too many, or if one names no service token or no action: it would cover nothing."""
    if len(exemptions) > MOST_EXEMPTIONS:
        raise Invalid.of_field("exemptions", f"A canary has {MOST_EXEMPTIONS} exemptions at most.")
    for place, exemption in enumerate(exemptions):
        if not _is_token(exemption.token_id):
            raise Invalid.of_field(
                f"exemptions.{place}.token_id", "No service token has this ID. Enter its ID, not its name."
            )
        if not is_known(exemption.operation):
            raise Invalid.of_field(
                f"exemptions.{place}.operation",
                "There is no such action. Enter an action of the audit log, such as crypto.message.encrypted.",
            )


def remove_canary(*, by: str, canary_id: UUID) -> None:
    """The object stays, and is an ordinary one from now on. Raises NotFound, DocumentsAltered."""
    with changing(by) as change:
        canary = find_canary(change.set.canaries, canary_id)
        change.set.canaries.remove(canary)
        for kept in (change.incidents.touched_at, change.incidents.drilled_at, change.incidents.crowds):
            kept.pop(canary.id, None)
        change.note(CANARY_REMOVED, canary=canary.id)
        queue_text(change, CANARY_REMOVED, f"The canary {canary.name} was removed", ASK, change.set.channels)


def find_canary(canaries: list[Canary], canary_id: UUID) -> Canary:
    """Raises NotFound."""
    found = next((each for each in canaries if each.id == canary_id), None)
    if found is None:
        raise NotFound
    return found


def suggest_names(kind: Kind) -> list[str]:
    """Names for a new decoy that look like those of this kind."""
    model, column = TABLES[kind]
    names = model._default_manager.order_by("-created_at").values_list(column, flat=True)[:_SAMPLE]
    return suggest(list(names))


def _is_token(token_id: str) -> bool:
    """An ID in another form than that of the log would match no entry."""
    try:
        is_canonical = str(UUID(token_id)) == token_id
    except ValueError:
        return False
    return is_canonical and bool(ServiceToken.objects.filter(pk=token_id, is_issued=False).exists())


def _name_of(kind: Kind, object_id: UUID) -> str:
    """Raises NotFound."""
    model, column = TABLES[kind]
    row = model._default_manager.filter(pk=object_id).values_list(column).first()
    if row is None:
        raise NotFound("There is no object of this kind with this ID. Create it first.")
    return str(row[0])
