"""Elastic Common Schema. Fields of the log that ECS does not have are below ``ciphercanary``."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from audit import actions
from audit.exports.formats import Exported
from audit.forwarding.events.fields import PRODUCT, Fields, present
from audit.forwarding.events.ocsf_classes import ACCOUNT_CHANGES, SIGN_INS, verb_of
from audit.forwarding.events.severities import Severity, severity_of
from audit.log.canonical import format_timestamp
from audit.log.events import Outcome
from kernel import __version__

_ECS_VERSION: Final = "8.11.0"
_ENCODER: Final = msgspec.json.Encoder()
_LEVELS: Mapping[Severity, str] = MappingProxyType(
    {
        Severity.INFORMATIONAL: "info",
        Severity.LOW: "notice",
        Severity.MEDIUM: "warning",
        Severity.HIGH: "error",
        Severity.CRITICAL: "critical",
    }
)
# ``event.outcome`` has no third word for a refusal.
_OUTCOMES: Mapping[str, str] = MappingProxyType(
    {Outcome.OK: "success", Outcome.DENIED: "failure", Outcome.ERROR: "failure"}
)
_TYPES: Mapping[str, str] = MappingProxyType(
    {"Create": "creation", "Read": "access", "Update": "change", "Delete": "deletion"}
)


def ecs_event(entry: Exported) -> bytes:
    """One JSON document."""
    fields = Fields(entry)
    severity = severity_of(fields.action, fields.outcome)
    return _ENCODER.encode(
        {
            "@timestamp": format_timestamp(fields.time),
            "ecs": {"version": _ECS_VERSION},
            "message": fields.title,
            "log": {"level": _LEVELS[severity]},
            "event": _event(fields, severity),
            "service": {"name": PRODUCT, "type": "ciphercanary", "version": __version__},
            **present(
                user=present(id=fields.actor_id, name=fields.text("actor_name")),
                source=_source(fields),
                user_agent=present(original=fields.text("user_agent")),
                http=present(request=present(id=fields.text("request_id"))),
            ),
            "ciphercanary": _own(fields),
        }
    )


def _event(fields: Fields, severity: Severity) -> dict[str, object]:
    category, kind = _category(fields.action)
    return {
        "kind": "alert" if fields.action == actions.LOG_ALARMED else "event",
        "module": "ciphercanary",
        "dataset": "ciphercanary.audit",
        "action": fields.action,
        "category": [category],
        "type": [kind],
        "outcome": _OUTCOMES.get(fields.outcome, "unknown"),
        "severity": int(severity),
        **present(
            id=fields.text("event_id"),
            sequence=fields.number("id"),
            code=fields.text("code"),
            provider=fields.text("source"),
        ),
    }


def _category(action: str) -> tuple[str, str]:
    """``event.category``, and a type that it permits."""
    if action == actions.LOG_ALARMED:
        return "intrusion_detection", "info"
    if action in SIGN_INS:
        return "authentication", {"Logon": "start", "Logoff": "end"}.get(SIGN_INS[action].name, "info")
    kind = _TYPES.get(verb_of(action).name, "info")
    if action in ACCOUNT_CHANGES:
        return "iam", kind
    return "api", kind


def _source(fields: Fields) -> dict[str, object]:
    return {} if fields.address is None else {"ip": str(fields.address), "address": str(fields.address)}


def _own(fields: Fields) -> dict[str, object]:
    """``meta`` is its JSON as text: fields of its own for each action would exhaust the fields of an index."""
    return present(
        actor_type=fields.text("actor_type"),
        auth_method=fields.text("auth_method"),
        token_id=fields.text("token_id"),
        object=present(
            type=fields.text("object_type"),
            id=fields.object_id,
            name=fields.object_name,
            version=fields.number("object_version"),
        ),
        outcome=fields.outcome,
        count=fields.number("count"),
        size=fields.number("size"),
        meta=fields.text("meta"),
        writer=fields.text("writer"),
        wseq=fields.number("wseq"),
        integrity=fields.integrity,
    )
