"""The network side of a delivery: one HTTPS request for each notification, one e-mail for all of an address.

It reads and writes no rows, so it runs in threads without database connections. A batch is everything that is due for one
target. If the target cannot be reached or refuses everything, the attempt counts for the whole batch, so that an outage costs
one connection instead of one for each notification.
"""

import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, Final, Protocol

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from kernel.clock import process_now
from kernel.crypto.mac import Mac
from kernel.http.deadlines import ShutDown
from kernel.http.outgoing import CONNECT_SECONDS, TOTAL_SECONDS, ExchangeFailed, requested
from kernel.http.targets import Target
from notifications.messages import email_subject, email_text, webhook_body
from notifications.models import Delivery
from notifications.signatures import signature_headers

# The whole exchange with the mail server. The lease (``claims.LEASE``) is much longer.
_MAIL_SECONDS: Final = 20.0

# Refusals of one notification. Any other failure, such as a redirect or 503, would meet the next notification too.
_OF_ONE: Final = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt for some deliveries. ``error`` is a fixed word, "" after a success."""

    deliveries: Sequence[Delivery]
    error: str = ""
    response_status: int | None = None


class Batch(Protocol):
    """The due deliveries of one target."""

    @property
    def channel(self) -> str: ...
    @property
    def deliveries(self) -> Sequence[Delivery]: ...
    def send(self, until: float) -> Iterator[Attempt]:
        """Send until the time (of ``time.monotonic``). The deliveries of no attempt were not tried."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookBatch:
    deliveries: Sequence[Delivery]
    target: Target
    mac: Mac
    channel: str = "webhook"

    def send(self, until: float) -> Iterator[Attempt]:
        for number, delivery in enumerate(self.deliveries):
            if time.monotonic() >= until:
                return
            error, status = self._post(delivery)
            if error and status not in _OF_ONE:
                yield Attempt(self.deliveries[number:], error, status)
                return
            yield Attempt([delivery], error, status)

    def _post(self, delivery: Delivery) -> tuple[str, int | None]:
        body = webhook_body(delivery.notification)
        return post(self.target, self.mac, str(delivery.notification_id), body)


@dataclass(frozen=True, slots=True)
class EmailBatch:
    deliveries: Sequence[Delivery]
    address: str
    channel: str = "email"

    def send(self, until: float) -> Iterator[Attempt]:
        if time.monotonic() < until:
            error, status = self._mail()
            yield Attempt(self.deliveries, error, status)

    def _mail(self) -> tuple[str, int | None]:
        notifications = [delivery.notification for delivery in self.deliveries]
        return mail(email_subject(notifications), email_text(notifications), self.address)


def post(target: Target, mac: Mac, message_id: str, body: bytes) -> tuple[str, int | None]:
    """Send a signed JSON body. The error, "" for none, and the status of the response, None without one."""
    try:
        status = _exchange(target, mac, message_id, body)
    except ExchangeFailed as failure:
        return failure.reason, None
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return "", status
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return "redirected" if is_redirect else "status_not_ok", status


def mail(subject: str, text: str, address: str) -> tuple[str, int | None]:
    """Send a plain text. The error, "" for none, and the reply code of the mail server (RFC 5321), None without one."""
    began, server = time.monotonic(), _MailServer.configured()
    try:
        _message(subject, text, address, server).send()
    except smtplib.SMTPRecipientsRefused as refusal:
        return "mail_refused", next((int(code) for code, _ in refusal.recipients.values()), None)
    except smtplib.SMTPResponseException as refusal:
        return "mail_refused", refusal.smtp_code
    except ssl.SSLError:
        return "tls_failed", None
    except (smtplib.SMTPException, OSError):
        is_late = time.monotonic() - began >= TOTAL_SECONDS  # smtplib reports it as a lost connection
        return ("timeout" if is_late else "connection_failed"), None
    finally:
        server.stop_timer()
    return "", None


def _exchange(target: Target, mac: Mac, message_id: str, body: bytes) -> int:
    """The status. The body of the response is not read. Raises ExchangeFailed."""
    from kernel.http.pinned import PinnedPool, checked_addresses  # noqa: PLC0415 - loads urllib3

    given = settings.CC_NOTIFICATIONS
    signed = signature_headers(mac, message_id, int(process_now().timestamp()), body)
    headers = {"Content-Type": "application/json", "User-Agent": "CipherCanary", **signed}
    addresses = checked_addresses(target.host, target.port, given.allowed_networks)
    pool = PinnedPool(target.host, target.port, addresses=addresses, ca_file=given.ca_file)
    with requested(pool, "POST", target.path, body=body, headers=headers) as response:
        return response.status


def _message(subject: str, text: str, address: str, server: "_MailServer") -> EmailMessage:
    return EmailMessage(
        subject,
        text,
        settings.CC_NOTIFICATIONS.sender,
        [address],
        connection=server,
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834: no automatic responses
    )


class _Smtp(smtplib.SMTP):
    """Calls ``connected`` with each new connection, before TLS."""

    def __init__(self, connected: Callable[[socket.socket], None], *args: Any, **kwargs: Any) -> None:
        self._connected = connected
        super().__init__(*args, **kwargs)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made: socket.socket = super()._get_socket(host, port, CONNECT_SECONDS)  # type: ignore[misc]
        made.settimeout(timeout)
        self._connected(made)
        return made


class _SmtpOverTls(smtplib.SMTP_SSL, _Smtp):
    """``SMTP_SSL`` wraps the socket of the next class, which is ``_Smtp``."""

    def __init__(self, connected: Callable[[socket.socket], None], *args: Any, **kwargs: Any) -> None:
        self._connected = connected
        super().__init__(*args, **kwargs)


class _MailServer(EmailBackend):
    """Ends the exchange after ``_MAIL_SECONDS``, however slowly the server sends."""

    _timer: ShutDown | None = None

    @property
    def connection_class(self) -> Any:
        return partial(_SmtpOverTls if self.use_ssl else _Smtp, self._start_timer)

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _start_timer(self, connected: socket.socket) -> None:
        self._timer = ShutDown(_MAIL_SECONDS, connected)
        self._timer.start()

    @classmethod
    def configured(cls) -> "_MailServer":
        given = settings.CC_NOTIFICATIONS
        return cls(
            host=given.smtp_host,
            port=given.smtp_port,
            username=given.smtp_user,
            password=given.smtp_password,
            use_tls=given.smtp_security == "starttls",
            use_ssl=given.smtp_security == "tls",
            timeout=TOTAL_SECONDS,
        )

    @cached_property
    def ssl_context(self) -> Any:
        context = ssl.create_default_context()
        if settings.CC_NOTIFICATIONS.ca_file:
            context.load_verify_locations(settings.CC_NOTIFICATIONS.ca_file)
        return context
