"""Decisions for the writers, and the object ids of the stored entries."""

from audit.commit.batches import Decision
from audit.log.events import Actor, Event
from tests.log_entries import log_rows

ACTOR = Actor.system("test", "api")


def decision(number, **values):
    """A decision with the number as its result and as the object id of its entry."""
    event = Event(action="crypto.message.encrypted", object_id=str(number))
    return Decision(**{"result": number, "event": event, "actor": ACTOR, **values})


def decision_of(name="quiet"):
    """A decision of the principal with this name, which is also the result."""
    return Decision(
        result=name, event=Event(action="crypto.message.encrypted"), actor=Actor.system(name, "api")
    )


def stored():
    return list(log_rows().order_by("id").values_list("object_id", flat=True))
