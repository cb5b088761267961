"""The body of a webhook, and the texts of an e-mail."""

import json
from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings

from kernel.outbox.models import Notification

_SUBJECT_PREFIX: Final = "[CipherCanary]"


def webhook_body(notification: Notification) -> bytes:
    """A JSON object. The same notification has the same ``id`` in every attempt."""
    return json.dumps(_payload(notification), separators=(",", ":")).encode()


def _payload(notification: Notification) -> dict[str, Any]:
    return {
        "id": str(notification.id),
        "type": notification.topic,
        "time": notification.created_at.isoformat().replace("+00:00", "Z"),
        "severity": str(notification.severity),
        "text": notification.sentence,
        "object": {
            "type": notification.object_type,
            "id": notification.object_id,
            "name": notification.object_name,
        },
        "data": notification.facts,
    }


def email_subject(notifications: Sequence[Notification]) -> str:
    """One line. A line break in a stored text would begin another header."""
    if len(notifications) > 1:
        return f"{_SUBJECT_PREFIX} {len(notifications)} notifications"
    return f"{_SUBJECT_PREFIX} {' '.join(notifications[0].sentence.split())}"


def email_text(notifications: Sequence[Notification]) -> str:
    lines = [
        f"{each.created_at:%Y-%m-%d %H:%MZ}  {each.severity}  {each.kind.label}\n    {each.sentence}"
        for each in notifications
    ]
    return "\n\n".join([*lines, f"All notifications: {settings.CC_PUBLIC_URL}/notifications/"]) + "\n"
