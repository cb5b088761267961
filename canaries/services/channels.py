"""The channels of notices: e-mail, webhooks and syslog. No table and no entry of the log has them; the journal does."""

import os
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from msgspec import Struct

from audit.forwarding.addresses import check_url
from canaries.delivery.sending import SYSLOG_RECEIVERS
from canaries.documents import CanarySet, Channel, ChannelKind, ChannelState
from canaries.notices import CHANNEL_ADDED, CHANNEL_REMOVED, CHANNEL_TEST, queue_text
from canaries.sealed.store import changing, read_incidents, read_set
from kernel.crypto.encoding import encode_base64
from kernel.errors import Conflict, Invalid, NotFound
from kernel.http.targets import Target
from notifications.checks import is_address
from notifications.signatures import SECRET_SIZE, secret_text

MOST_CHANNELS: Final = 20
_MOST_ADDRESS: Final = 254  # characters (RFC 5321 section 4.5.3.1.3)
_NO_EMAIL: Final = "E-mail is off. Set CC_SMTP_HOST, CC_NOTIFY_FROM and CC_NOTIFY_EMAILS."


class _AddedChannel(Struct, frozen=True, kw_only=True):
    """``secret``: of a webhook, as text; "" of others. It is shown only here."""

    channel: Channel
    secret: str

    def __repr__(self) -> str:
        return f"<_AddedChannel {self.channel.id}>"


class _ListedChannel(Struct, frozen=True, kw_only=True):
    """``waiting``: notices that it has not got yet."""

    channel: Channel
    state: ChannelState
    waiting: int


def add_channel(*, by: str, kind: ChannelKind, target: str) -> _AddedChannel:
    """``by``: an officer's id, or ``HOST``. ``target``: an e-mail address or a URL.

    Raises Invalid, naming the field ``target``, Conflict, DocumentsAltered.
    """
    check_target(kind, target)
    secret = os.urandom(SECRET_SIZE) if kind is ChannelKind.WEBHOOK else b""
    with changing(by) as change:
        _require_room(change.set, kind, target)
        channel = Channel(
            id=uuid4(),
            kind=kind,
            target=target,
            secret=encode_base64(secret),
            added_at=change.at,
            added_by=by,
        )
        change.set.channels.append(channel)
        change.note("channel.added", channel=channel.id, label=channel.label)
        title = f"The channel {channel.label} was added"
        text = "It gets all notices from now on. Next step: remove it unless an officer added it."
        queue_text(change, CHANNEL_ADDED, title, text, change.set.channels)
    return _AddedChannel(channel=channel, secret=secret_text(secret) if secret else "")


def remove_channel(*, by: str, channel_id: UUID) -> None:
    """All channels get a notice, and this one also what waits for it. So no one can silence the only channel unseen.

    Raises NotFound, DocumentsAltered.
    """
    with changing(by) as change:
        channel = _find(change.set, channel_id)
        receivers = list(change.set.channels)
        change.set.channels.remove(channel)
        change.incidents.leaving.append(channel)
        change.note("channel.removed", channel=channel_id, label=channel.label)
        title = f"The channel {channel.label} was removed"
        text = "It gets no more notices. Next step: add it again unless an officer removed it."
        queue_text(change, CHANNEL_REMOVED, title, text, receivers)


def send_test(*, by: str, channel_id: UUID) -> None:
    """Queue a test, which a worker sends within seconds, also to a failing channel. Raises NotFound, DocumentsAltered."""
    with changing(by) as change:
        channel = _find(change.set, channel_id)
        if state := change.incidents.channel_states.get(channel_id):
            state.next_at = None
        change.note("channel.tested", channel=channel_id)
        text = "An officer requested it. Next step: no action is necessary."
        queue_text(
            change, CHANNEL_TEST, "This is a test", text, [channel], key=f"{CHANNEL_TEST} {channel_id}"
        )


def list_channels() -> list[_ListedChannel]:
    """In the order in which they were added. Raises DocumentsAltered."""
    canaries, incidents = read_set(), read_incidents()
    return [
        _ListedChannel(
            channel=channel,
            state=incidents.channel_states.get(channel.id, ChannelState()),
            waiting=sum(channel.id in notice.waiting for notice in incidents.notices),
        )
        for channel in canaries.channels
    ]


def check_target(kind: ChannelKind, target: str) -> None:
    """Raises Invalid, naming the field ``target``, if no delivery could use it, and Conflict if e-mail is off."""
    try:
        _check(kind, target)
    except Invalid as error:
        # The rules are those of webhooks and log targets, whose field is called ``url``.
        [[message, *_]] = error.fields.values()
        raise Invalid.of_field("target", message) from None


def _check(kind: ChannelKind, target: str) -> None:
    if kind is ChannelKind.EMAIL:
        if not settings.CC_NOTIFICATIONS.has_email:
            raise Conflict(_NO_EMAIL)
        if len(target) > _MOST_ADDRESS or not is_address(target):
            raise Invalid.of_field("target", "Use an e-mail address such as keys@example.org.")
    elif kind is ChannelKind.WEBHOOK:
        Target.parse(target).require_allowed(settings.CC_NOTIFICATIONS.allowed_networks)
    else:
        # Without TLS, a person who reads the network would learn the names of canaries.
        if target.partition("://")[0] not in SYSLOG_RECEIVERS:
            schemes = " or ".join(f"{scheme}://" for scheme in SYSLOG_RECEIVERS)
            raise Invalid.of_field("target", f"Use a URL that begins with {schemes}.")
        check_url(target)


def _require_room(canaries: CanarySet, kind: ChannelKind, target: str) -> None:
    if any((each.kind, each.target) == (kind, target) for each in canaries.channels):
        raise Conflict("This channel exists already.")
    if len(canaries.channels) >= MOST_CHANNELS:
        raise Conflict(f"There are {MOST_CHANNELS} channels already. Remove one first.")


def _find(canaries: CanarySet, channel_id: UUID) -> Channel:
    found = next((each for each in canaries.channels if each.id == channel_id), None)
    if found is None:
        raise NotFound
    return found
