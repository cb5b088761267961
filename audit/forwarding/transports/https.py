"""Send messages as the body of a POST request. A response with status 2xx acknowledges all of them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from audit.forwarding.messages import Message
from audit.log.raw_rows import timestamp_of
from audit.models.log_targets import HttpStyle
from kernel.http.outgoing import ExchangeFailed, read_bounded, requested
from kernel.http.targets import Target

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_MOST_OF_RESPONSE: Final = 2**22  # Elasticsearch writes about 300 bytes for each entry
_ACCEPTED: Final = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)
_READ_SECONDS: Final = 10.0  # a receiver may index the entries before it responds
_SERVICE: Final = "ciphercanary"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class HttpsReceiver:
    """A server. ``credential`` is the value of the header Authorization."""

    def __init__(self, url: str, style: str, ca: str, credential: str) -> None:
        self._target, self._style, self._ca = Target.parse(url), _STYLES[style], ca
        self._headers = {"User-Agent": "CipherCanary", "Content-Type": self._style.media_type}
        if credential:
            self._headers["Authorization"] = credential

    def send(self, messages: Sequence[Message]) -> None:
        """Raises ExchangeFailed."""
        from kernel.http.pinned import PinnedPool, checked_addresses  # noqa: PLC0415 - loads urllib3

        host, port, given = self._target.host, self._target.port, settings.CC_NOTIFICATIONS
        addresses = checked_addresses(host, port, given.allowed_networks)
        pool = PinnedPool(host, port, addresses=addresses, ca_file=given.ca_file, ca=self._ca)
        body = self._style.body(messages)
        with requested(
            pool, "POST", self._target.path, body=body, headers=self._headers, read_seconds=_READ_SECONDS
        ) as response:
            if response.status not in _ACCEPTED:
                raise ExchangeFailed(f"status_{response.status}")
            self._style.check(response)

    def close(self) -> None:
        """Each request has a connection of its own."""


@dataclass(frozen=True, slots=True)
class _Style:
    """``check`` raises ExchangeFailed if an accepted response refuses some of the entries."""

    body: Callable[[Sequence[Message]], bytes]
    media_type: str = "application/x-ndjson"
    check: Callable[["BaseHTTPResponse"], None] = lambda _response: None


def lines(octets: Iterable[bytes]) -> bytes:
    return b"".join(each + b"\n" for each in octets)


def _plain(messages: Sequence[Message]) -> bytes:
    return lines(message.octets for message in messages)


def _splunk(messages: Sequence[Message]) -> bytes:
    """Events of the HTTP Event Collector."""
    return lines(map(_splunk_event, messages))


def _splunk_event(message: Message) -> bytes:
    envelope: dict[str, object] = {"source": _SERVICE, "event": _value(message.octets)}
    if timestamp := timestamp_of(message.timestamp):
        envelope["time"] = timestamp.timestamp()
    return _json(envelope)


def _elastic(messages: Sequence[Message]) -> bytes:
    """Actions of ``_bulk``. A document that was created before is refused with 409, so none exists twice."""
    return lines(
        line
        for message in messages
        for line in (
            _json({"create": {"_id": message.event_id} if message.event_id else {}}),
            message.octets,
        )
    )


def _check_items(response: "BaseHTTPResponse") -> None:
    try:
        found = json.loads(read_bounded(response, _MOST_OF_RESPONSE))
        statuses = [item["create"]["status"] for item in found["items"]] if found["errors"] else []
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ExchangeFailed("response_unknown") from None
    for status in statuses:
        if type(status) is not int or not 100 <= status < 600:  # noqa: PLR2004 - a status of HTTP
            raise ExchangeFailed("response_unknown")
        if status not in _ACCEPTED and status != HTTPStatus.CONFLICT:
            raise ExchangeFailed(f"item_{status}")


def _loki(messages: Sequence[Message]) -> bytes:
    """A push of one stream. Loki accepts entries of any order within its window."""
    values = [[_nanoseconds(message.timestamp), message.octets.decode()] for message in messages]
    return _json({"streams": [{"stream": {"service_name": _SERVICE}, "values": values}]})


def _nanoseconds(timestamp: str) -> str:
    found = timestamp_of(timestamp) or _EPOCH
    return str((found - _EPOCH) // timedelta(microseconds=1) * 1_000)


def _value(octets: bytes) -> Any:
    """The JSON of an event, or the text of a CEF event."""
    try:
        return json.loads(octets)
    except ValueError:
        return octets.decode()


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_STYLES: Final[Mapping[str, _Style]] = MappingProxyType(
    {
        HttpStyle.LINES: _Style(_plain),
        HttpStyle.SPLUNK: _Style(_splunk, "application/json"),
        HttpStyle.ELASTIC: _Style(_elastic, check=_check_items),
        HttpStyle.LOKI: _Style(_loki, "application/json"),
    }
)
