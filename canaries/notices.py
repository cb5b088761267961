"""The queue of notices, and what they look like in an e-mail, a webhook and a line of syslog."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final
from uuid import uuid4

import msgspec
from django.conf import settings

from audit.forwarding.events.severities import Severity
from audit.forwarding.messages import Message
from audit.log.canonical import format_timestamp
from canaries.documents import Channel, Incidents, Notice
from canaries.incidents import TOUCHED
from canaries.sealed.store import Change

HEARTBEAT: Final = "heartbeat"
LOG_LATE: Final = "log.late"
LOG_RECOVERED: Final = "log.recovered"
WATCHER_STOPPED: Final = "watcher.stopped"
QUARANTINE_FAILED: Final = "quarantine.failed"
CANARY_CHANGED: Final = "canary.changed"
CANARY_REMOVED: Final = "canary.removed"
CHANNEL_ADDED: Final = "channel.added"
CHANNEL_REMOVED: Final = "channel.removed"
CHANNEL_TEST: Final = "channel.test"
CHANNEL_FAILING: Final = "channel.failing"
CHANNEL_RECOVERED: Final = "channel.recovered"
_SEVERITIES: Final[Mapping[str, Severity]] = MappingProxyType(
    {
        TOUCHED: Severity.CRITICAL,
        LOG_LATE: Severity.CRITICAL,
        WATCHER_STOPPED: Severity.CRITICAL,
        QUARANTINE_FAILED: Severity.CRITICAL,
        LOG_RECOVERED: Severity.MEDIUM,
        CHANNEL_ADDED: Severity.MEDIUM,
        CHANNEL_RECOVERED: Severity.MEDIUM,
        CHANNEL_TEST: Severity.INFORMATIONAL,
        HEARTBEAT: Severity.INFORMATIONAL,
    }
)
ASK: Final = "Next step: ask the officers, unless you know of it. The journal has who did it."
_MOST_TITLE: Final = 200  # characters


def queue(change: Change, notice: Notice, channels: Iterable[Channel]) -> None:
    """Send the notice to these channels. The journal has it in any case.

    Its title becomes one line: a line break in a name would begin another header of an e-mail.
    """
    notice.waiting = [channel.id for channel in channels]
    notice.title = " ".join(notice.title.split())[:_MOST_TITLE]
    queued = change.incidents.notices
    if notice.key:
        queued[:] = [each for each in queued if each.key != notice.key]
        forget_removed(change.incidents)
    if notice.waiting:
        queued.append(notice)
    change.note(
        "notice.written",
        notice=notice.id,
        topic=notice.topic,
        incident=notice.incident_id,
        title=notice.title,
        channels=len(notice.waiting),
    )


def forget_removed(incidents: Incidents) -> None:
    """Drop the removed channels for which no notice waits."""
    waiting = {channel_id for notice in incidents.notices for channel_id in notice.waiting}
    for channel in [each for each in incidents.leaving if each.id not in waiting]:
        incidents.leaving.remove(channel)
        incidents.channel_states.pop(channel.id, None)


def queue_text(
    change: Change, topic: str, title: str, text: str, channels: Iterable[Channel], key: str = ""
) -> None:
    """``queue`` a notice about no incident. The title is its first sentence, without the full stop."""
    notice = Notice(id=uuid4(), at=change.at, topic=topic, title=title, text=f"{title}. {text}", key=key)
    queue(change, notice, channels)


def _severity_of(notice: Notice) -> Severity:
    return _SEVERITIES.get(notice.topic, Severity.HIGH)


def email_subject(notice: Notice) -> str:
    return f"[CipherCanary] {notice.title}"


def email_text(notice: Notice) -> str:
    return f"{notice.text}\n\nIncidents and channels: {_page()}\nTime of this notice: {notice.at:%Y-%m-%d %H:%M:%S} UTC\n"


def webhook_body(notice: Notice) -> bytes:
    """A JSON object of Standard Webhooks: ``type``, ``timestamp``, ``data``. Each attempt sends the same bytes."""
    data = {
        "title": notice.title,
        "text": notice.text,
        "severity": _severity_of(notice).word,
        "url": _page(),
        **notice.facts,
    }
    return msgspec.json.encode({"type": notice.topic, "timestamp": format_timestamp(notice.at), "data": data})


def syslog_message(notice: Notice) -> Message:
    """One line, with the topic as its MSGID (RFC 5424 section 6.2.7)."""
    line = " ".join(f"{notice.text} Notice: {notice.id}".split())
    return Message(
        line.encode(), notice.topic, format_timestamp(notice.at), str(notice.id), _severity_of(notice)
    )


def _page() -> str:
    return f"{settings.CC_PUBLIC_URL}/canaries/"
