"""An entry as one event for a receiver: one line of UTF-8 without a line break."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from audit.exports.formats import Exported, with_integrity
from audit.forwarding.events.cef import cef_event
from audit.forwarding.events.ecs import ecs_event
from audit.forwarding.events.fields import VERIFIED
from audit.forwarding.events.ocsf import ocsf_event
from audit.models.log_targets import LogFormat

LABELS: Mapping[str, str] = MappingProxyType(
    {
        LogFormat.JSON: "Canonical JSON",
        LogFormat.ECS: "Elastic Common Schema (ECS)",
        LogFormat.OCSF: "Open Cybersecurity Schema Framework (OCSF)",
        LogFormat.CEF: "Common Event Format (CEF)",
    }
)


def _json_event(entry: Exported) -> bytes:
    """The bytes that are hashed into the tree. Those of an altered entry end with the member ``integrity``."""
    return entry.octets if entry.integrity == VERIFIED else with_integrity(entry)


FORMATS: Mapping[str, Callable[[Exported], bytes]] = MappingProxyType(
    {
        LogFormat.JSON: _json_event,
        LogFormat.ECS: ecs_event,
        LogFormat.OCSF: ocsf_event,
        LogFormat.CEF: cef_event,
    }
)
