"""Common Event Format, version 0 (ArcSight, "Implementing ArcSight Common Event Format")."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Final

from audit.exports.formats import Exported
from audit.forwarding.events.fields import PRODUCT, Fields, present
from audit.forwarding.events.severities import Severity, severity_of
from kernel import __version__

# The severity of CEF is 0 to 10: low to 3, medium to 6, high to 8, very high above.
_SEVERITIES: Mapping[Severity, int] = MappingProxyType(
    {
        Severity.INFORMATIONAL: 1,
        Severity.LOW: 3,
        Severity.MEDIUM: 5,
        Severity.HIGH: 8,
        Severity.CRITICAL: 10,
    }
)
# Also the separators at which readers such as Python's ``splitlines`` end a line.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# The custom fields have a label each. The documentation names their limits, in characters.
_TEXT_LIMIT: Final = 4_000
_CUT: Final = "\u2026"


def cef_event(entry: Exported) -> bytes:
    """``CEF:0|CipherCanary|CipherCanary|version|action|label|severity|extension``."""
    fields = Fields(entry)
    severity = _SEVERITIES[severity_of(fields.action, fields.outcome)]
    header = ("CEF:0", PRODUCT, PRODUCT, __version__, fields.action, fields.label, str(severity))
    extension = present(**_known(fields), **_address(fields), **_custom(fields))
    members = (f"{name}={_in_extension(str(value))}" for name, value in extension.items())
    return "|".join([*map(_in_header, header), " ".join(members)]).encode()


def _known(fields: Fields) -> dict[str, object]:
    return {
        "rt": fields.milliseconds,
        "externalId": fields.text("event_id"),
        "outcome": "success" if fields.is_success else "failure",
        "reason": fields.text("code"),
        "suid": fields.actor_id,
        "suser": fields.text("actor_name"),
        "sourceServiceName": fields.text("source"),
        "requestClientApplication": fields.text("user_agent"),
        "cnt": fields.number("count"),
    }


def _address(fields: Fields) -> dict[str, object]:
    """``src`` takes IPv4 addresses only."""
    match fields.address:
        case None:
            return {}
        case IPv4Address() as address:
            return {"src": str(address)}
        case address:
            return _labelled("c6a2", "Source IPv6 Address", str(address))


def _custom(fields: Fields) -> dict[str, object]:
    return {
        **_labelled("cs1", "objectType", fields.text("object_type")),
        **_labelled("cs2", "objectId", fields.text("object_id")),
        **_labelled("cs3", "requestId", fields.text("request_id")),
        **_labelled("cs4", "meta", fields.text("meta")),
        **_labelled("cs5", "tokenId", fields.text("token_id")),
        **_labelled("cs6", "authMethod", fields.text("auth_method")),
        **_labelled("cn1", "entryId", fields.number("id")),
        **_labelled("cn2", "objectVersion", fields.number("object_version")),
        **_labelled("cn3", "size", fields.number("size")),
        **_labelled("flexString1", "integrity", fields.integrity),
        **_labelled("flexString2", "actorType", fields.text("actor_type")),
    }


def _labelled(name: str, label: str, value: str | int | None) -> dict[str, object]:
    return {} if value in (None, "") else {name: value, f"{name}Label": label}


def _in_header(text: str) -> str:
    return _CONTROLS.sub(" ", text).replace("\\", "\\\\").replace("|", "\\|")


def _in_extension(text: str) -> str:
    text = text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + _CUT
    escaped = text.replace("\\", "\\\\").replace("=", "\\=")
    return _CONTROLS.sub(" ", escaped.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\r"))
