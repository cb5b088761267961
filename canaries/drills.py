"""The requests of a drill. Only the sealed documents tell their touches from others: nothing in the log does."""

from msgspec.structs import replace

from canaries.documents import DRILL, Canary, Incidents, Touch


def match_drill(incidents: Incidents, canary: Canary, touch: Touch) -> Touch:
    """The touch, with the drill as its credential if a request of the drill made it.

    Each request matches once, and only its own object. Otherwise a reader of the log could repeat the id of a request,
    which the client chooses, and pass for the drill.
    """
    drill = incidents.drill
    if drill is None or drill.requests.get(touch.request_id) != canary.object_id:
        return touch
    del drill.requests[touch.request_id]
    return replace(touch, credential=f"{DRILL}{drill.id}")
