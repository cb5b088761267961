"""Find the object that a person names by its id or name."""

from uuid import UUID

from canaries.documents import Kind
from canaries.services.planting import TABLES
from kernel.errors import Conflict, NotFound


def find_object(kind: Kind, reference: str) -> UUID:
    """The id of the object: the reference itself, or that of the only object with this name.

    Raises NotFound, and Conflict if several have the name. ``plant_canary`` checks whether an id exists.
    """
    try:
        return UUID(reference)
    except ValueError:
        model, column = TABLES[kind]
    # Only names of tokens can have upper case.
    name = reference.removeprefix("name:") if kind is Kind.TOKEN else reference.removeprefix("name:").lower()
    found = list(model._default_manager.filter(**{column: name}).values_list("pk", flat=True)[:2])
    if len(found) > 1:
        raise Conflict("Several objects have this name. Use the ID.")
    if not found:
        raise NotFound("There is no object of this kind with this name or ID. Create it first.")
    return UUID(str(found[0]))
