"""Open Cybersecurity Schema Framework (schema.ocsf.io).

The events say version 1.1.0, which most receivers accept. They are also valid in each later version up to 1.8.0.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from audit import actions
from audit.exports.formats import Exported
from audit.forwarding.events.fields import PRODUCT, Fields, present
from audit.forwarding.events.ocsf_classes import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    DETECTION_FINDING,
    EventClass,
    classified,
)
from audit.forwarding.events.severities import severity_of
from audit.log.events import ActorType
from kernel import __version__

type _Members = dict[str, object]

_VERSION: Final = "1.1.0"
_ENCODER: Final = msgspec.json.Encoder()
# ``status_id``; that of a finding has other values.
_SUCCESS, _FAILURE = 1, 2
_NEW, _RESOLVED = 1, 4
# ``type_id`` of a user. A service account is another type.
_UNKNOWN, _OTHER = 0, 99
_USER_TYPES: Final[Mapping[str, int]] = MappingProxyType({ActorType.USER: 1, ActorType.SYSTEM: 3})
# Columns without an attribute of their own in each class.
_UNMAPPED_TEXTS: Final = (
    "outcome", "source", "actor_type", "auth_method", "token_id", "object_type", "object_id", "meta", "writer",
)  # fmt: skip
_UNMAPPED_NUMBERS: Final = ("object_version", "size", "wseq")


def ocsf_event(entry: Exported) -> bytes:
    """One JSON object: an API Activity, an Authentication, an Account Change or a Detection Finding."""
    fields = Fields(entry)
    event_class, activity = classified(fields.action, fields.outcome)
    severity = severity_of(fields.action, fields.outcome)
    common = {
        "class_uid": event_class.uid,
        "class_name": event_class.name,
        "category_uid": event_class.category,
        "category_name": event_class.category_name,
        "activity_id": activity.uid,
        "activity_name": activity.name or fields.label,
        "type_uid": event_class.uid * 100 + activity.uid,
        "time": fields.milliseconds,
        "severity_id": int(severity),
        "severity": severity.word.capitalize(),
        "message": fields.title,
        "metadata": _metadata(fields),
        "unmapped": _unmapped(fields),
        **present(count=fields.number("count"), status_code=fields.text("code")),
    }
    return _ENCODER.encode(common | _BY_CLASS[event_class](fields))


def _metadata(fields: Fields) -> _Members:
    return {
        "version": _VERSION,
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": __version__},
        "event_code": fields.action,
        "log_name": "audit_logs",
        **present(
            uid=fields.text("event_id"),
            sequence=fields.number("id"),
            original_time=fields.text("timestamp"),
            correlation_uid=fields.text("request_id"),
        ),
    }


def _unmapped(fields: Fields) -> _Members:
    """``meta`` is its JSON as text, because its members differ for each action."""
    texts = {name: fields.text(name) for name in _UNMAPPED_TEXTS}
    numbers = {name: fields.number(name) for name in _UNMAPPED_NUMBERS}
    return present(**texts, **numbers, integrity=fields.integrity)


def _api_activity(fields: Fields) -> _Members:
    resource = present(
        type=fields.text("object_type"),
        uid=fields.object_id,
        name=fields.object_name,
        version=str(fields.number("object_version") or ""),
    )
    is_named = "uid" in resource or "name" in resource
    return _of_request(fields) | {
        "api": {
            "operation": fields.action,
            "service": {"name": PRODUCT},
            **present(
                request=present(uid=fields.text("request_id")),
                response=present(error=fields.text("code")),
            ),
        },
        **present(resources=[resource] if is_named else None),
    }


def _authentication(fields: Fields) -> _Members:
    return _of_request(fields) | {
        "service": {"name": PRODUCT},
        "user": _object_user(fields) or _actor_user(fields),
        **present(session=present(uid=fields.text("token_id"))),
        **_protocol(fields.text("auth_method")),
    }


def _protocol(method: str) -> _Members:
    return {"auth_protocol_id": _OTHER, "auth_protocol": method} if method else {}


def _account_change(fields: Fields) -> _Members:
    """A refused request may not name the account."""
    user = _object_user(fields) or {"name": "unknown", "type_id": _UNKNOWN}
    return _of_request(fields) | {"user": user}


def _of_request(fields: Fields) -> _Members:
    """What the classes of requests have in common."""
    address = fields.address
    user_agent = present(user_agent=fields.text("user_agent"))
    session = present(uid=fields.text("token_id"))
    return {
        "status_id": _SUCCESS if fields.is_success else _FAILURE,
        "status": "Success" if fields.is_success else "Failure",
        "actor": {"user": _actor_user(fields), **present(session=session)},
        "src_endpoint": {"ip": str(address)} if address else {"name": fields.text("source") or "unknown"},
        **({} if fields.is_success else present(status_detail=fields.outcome)),
        **present(http_request=user_agent),
    }


def _actor_user(fields: Fields) -> _Members:
    """An anonymous client may have no name."""
    kind = fields.text("actor_type")
    type_id = _OTHER if kind == ActorType.SERVICE_ACCOUNT else _USER_TYPES.get(kind, _UNKNOWN)
    name = fields.text("actor_name") or (kind or "unknown" if not fields.actor_id else "")
    return present(name=name, uid=fields.actor_id) | _user_type(type_id, kind)


def _object_user(fields: Fields) -> _Members:
    """The user or service account that the event is about; empty if it is about another object."""
    kind = fields.text("object_type")
    if kind not in (ActorType.USER, ActorType.SERVICE_ACCOUNT) or not fields.object_id:
        return {}
    type_id = _OTHER if kind == ActorType.SERVICE_ACCOUNT else _USER_TYPES[kind]
    return {"uid": fields.object_id} | _user_type(type_id, kind)


def _user_type(type_id: int, kind: str) -> _Members:
    return {"type_id": type_id, "type": kind} if type_id == _OTHER else {"type_id": type_id}


def _detection_finding(fields: Fields) -> _Members:
    """An alarm, or the end of one. ``finding_info.uid`` is the same in both."""
    code = fields.text("code")
    title = code.replace("_", " ").capitalize() or fields.label
    is_resolved = fields.action == actions.ALARM_RESOLVED
    uid = _raised_by(fields) if is_resolved else fields.text("event_id")
    return {
        "status_id": _RESOLVED if is_resolved else _NEW,
        "status": "Resolved" if is_resolved else "New",
        "finding_info": {"uid": uid or "unknown", "title": title, **({"types": [code]} if code else {})},
    }


def _raised_by(fields: Fields) -> str:
    """The event that raised the alarm, which ``meta`` names."""
    try:
        meta = json.loads(fields.text("meta"))
    except (ValueError, RecursionError):
        return ""
    found = meta.get("raised_by") if isinstance(meta, dict) else None
    return found if isinstance(found, str) else ""


_BY_CLASS: Final[Mapping[EventClass, Callable[[Fields], _Members]]] = MappingProxyType(
    {
        API_ACTIVITY: _api_activity,
        AUTHENTICATION: _authentication,
        ACCOUNT_CHANGE: _account_change,
        DETECTION_FINDING: _detection_finding,
    }
)
