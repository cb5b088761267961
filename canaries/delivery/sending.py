"""Send a notice to a channel. No rows are read or written, and no transaction is open."""

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from django.conf import settings

from audit.forwarding.receivers import Receiver
from audit.forwarding.transports.connections import Security
from audit.forwarding.transports.relp import RelpReceiver
from audit.forwarding.transports.syslog import SyslogReceiver
from audit.models.log_targets import SCHEMES
from canaries import notices
from canaries.documents import Channel, ChannelKind, Notice
from kernel.crypto.encoding import decode_canonical_base64
from kernel.crypto.mac import Mac
from kernel.crypto.material import KeyMaterial
from kernel.http.outgoing import ExchangeFailed
from kernel.http.targets import Target
from notifications.channels import mail, post

logger = logging.getLogger(__name__)

SYSLOG_RECEIVERS: Final[Mapping[str, Callable[[Target, Security], Receiver]]] = MappingProxyType(
    {"tls": SyslogReceiver, "relp+tls": RelpReceiver}  # only RELP confirms
)


def send(channel: Channel, notice: Notice) -> str:
    """The error as a fixed word; "" after a success."""
    try:
        return _SENDERS[channel.kind](channel, notice)
    except ExchangeFailed as failure:
        return failure.reason
    except Exception as error:  # noqa: BLE001 - its text may name the channel, which logs must not
        logger.error("a delivery failed: %s", type(error).__name__)  # noqa: TRY400
        return "internal"


def _mail(channel: Channel, notice: Notice) -> str:
    if not settings.CC_NOTIFICATIONS.has_email:
        return "not_configured"
    return mail(notices.email_subject(notice), notices.email_text(notice), channel.target)[0]


def _post(channel: Channel, notice: Notice) -> str:
    mac = Mac(KeyMaterial(decode_canonical_base64(channel.secret)))
    return post(Target.parse(channel.target), mac, str(notice.id), notices.webhook_body(notice))[0]


def _log(channel: Channel, notice: Notice) -> str:
    target = Target.parse(channel.target, SCHEMES)
    receiver = SYSLOG_RECEIVERS[target.scheme](target, Security())
    try:
        receiver.send([notices.syslog_message(notice)])
    finally:
        receiver.close()
    return ""


_SENDERS: Final = MappingProxyType(
    {ChannelKind.EMAIL: _mail, ChannelKind.WEBHOOK: _post, ChannelKind.SYSLOG: _log}
)
