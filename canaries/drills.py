"""The requests of a drill. Only the sealed documents tell their touches from others: nothing in the log does."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from canaries.documents import DRILL, Canary, Incidents, Touch

_CROWD: Final = 10  # keys at least, unless the installation has fewer
_ID_BITS: Final = 128


def crowd_of(key_id: UUID, key_ids: Iterable[UUID]) -> list[UUID]:
    """The keys that get the same request, so that the log does not show which of them is the canary.

    Their ids, which are random, begin with the same bits. So the crowd of a later drill has the same keys, or a part of
    them: if each drill drew others, only the canary would repeat.
    """
    crowd = [key_id, *(each for each in key_ids if each != key_id)]
    for bits in range(1, _ID_BITS):
        rest = _ID_BITS - bits
        closer = [each for each in crowd if each.int >> rest == key_id.int >> rest]
        if len(closer) < _CROWD:
            break
        crowd = closer
    return crowd


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
