"""The receiver of a log target, by its transport, and why one can fail."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from audit.forwarding.messages import Message
from audit.forwarding.transports.connections import Security
from audit.forwarding.transports.files import FileReceiver
from audit.forwarding.transports.https import HttpsReceiver
from audit.forwarding.transports.relp import RelpReceiver
from audit.forwarding.transports.syslog import SyslogReceiver
from audit.models import LogTarget
from audit.models.log_targets import FILE, SCHEMES, UNACKNOWLEDGED, WITH_TLS
from kernel.http.targets import Target
from kernel.trust import kek

# ``ExchangeFailed.reason`` in words. Those that end with a status have it added.
_ERRORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "name_not_resolved": "The host name was not found",
        "address_not_allowed": "The address is not public",
        "connection_failed": "The receiver could not be reached, or ended the connection",
        "tls_failed": "The certificate or the TLS connection is not valid",
        "timeout": "The receiver did not respond in time",
        "status": "The receiver rejected the entries",
        "item": "The receiver rejected an entry",
        "message_refused": "The receiver rejected an entry",
        "response_unknown": "The receiver did not send a response of its protocol",
        "response_too_large": "The response of the receiver is too large",
        "disk_full": "The disk of the file is full",
        "not_permitted": "The file may not be written. Check CC_LOG_TARGET_FOLDER and its permissions",
        "not_writable": "The file cannot be written",
        "credential_unreadable": "The credential cannot be read. Enter it again",
        "row_altered": "The stored log target was altered",
        "log_unreadable": "Entries or the tree cannot be read. The log of the worker has the reason",
        "internal": "Internal error. The log of the worker has the reason",
    }
)


class Receiver(Protocol):
    def send(self, messages: Sequence[Message]) -> None:
        """Returns when the receiver has them all, if its transport acknowledges. Raises ExchangeFailed."""
        ...

    def close(self) -> None: ...


def receiver_of(target: LogTarget) -> Receiver:
    """Does not connect yet. Raises Invalid, and UnwrapFailed or KekUnavailable for the credential."""
    if target.scheme == FILE:
        return FileReceiver(Path(target.path))
    if target.scheme == "https":
        return HttpsReceiver(target.url, target.style, target.ca, _credential_of(target).decode())
    address = Target.parse(target.url, SCHEMES)
    security = Security(target.ca, _credential_of(target)) if target.scheme in WITH_TLS else None
    return (SyslogReceiver if target.scheme in UNACKNOWLEDGED else RelpReceiver)(address, security)


def _credential_of(target: LogTarget) -> bytes:
    if not target.has_credential:
        return b""
    return kek.unwrap_row(target).expose()  # noqa: CC1 - a credential becomes a header, or the identity of TLS


def error_text(reason: str) -> str:
    """A fixed sentence about a failure, with its status: "The receiver rejected the entries (503)"."""
    word, _, status = reason.rpartition("_")
    if status.isdigit():
        return f"{_ERRORS[word]} ({status})."
    return f"{_ERRORS[reason]}."
