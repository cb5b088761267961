"""Decisions for the writers, and the object ids of the stored entries."""

from audit.commit.decisions import Grounds, Ready
from audit.log.events import Actor, Event
from tests.log_entries import log_rows

ACTOR = Actor.system("test", "api")


def decide(result, event, actor=ACTOR, **grounds):
    return Ready(Grounds(event=event, actor=actor, **grounds), result=result)


def decision(number, **grounds):
    """A decision with the number as its result and as the object id of its entry."""
    return decide(number, Event(action="crypto.message.encrypted", object_id=str(number)), **grounds)


def decision_of(name="quiet"):
    """A decision of the principal with this name, which is also the result."""
    return decide(name, Event(action="crypto.message.encrypted"), Actor.system(name, "api"))


def stored():
    return list(log_rows().order_by("id").values_list("object_id", flat=True))
