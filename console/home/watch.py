"""Publish the alerts about the installation as notifications."""

from datetime import datetime
from typing import Final

from console.home.alerts import CRITICAL, Alert, AlertKind
from console.home.service_alerts import ServiceFacts, log_target_alerts, service_alerts, service_columns
from kernel.clock import database_now
from kernel.outbox.publishing import Announcement
from kernel.outbox.topics import Severity, Topic
from kernel.trust.models import Instance
from notifications.services.conditions import publish_unknown

SECONDS: Final = 300.0
_LABELS: Final = {
    AlertKind.DISK_FULL: ("disk.full", "Data folder nearly full"),
    AlertKind.SIGN_INS_FAILED: ("sign_in.failures", "Many failed sign-ins"),
    AlertKind.BACKUP_LATE: ("backup.late", "Backup late"),
    AlertKind.KEK_COPY_UNPROVED: ("kek.copy_unproved", "Key-encryption key without a checked copy"),
    AlertKind.LOG_TARGET_LATE: ("log_target.late", "Log target late"),
}
TOPICS: Final = {
    kind: Topic(
        word=word,
        label=label,
        severity=Severity.CRITICAL if kind in CRITICAL else Severity.WARNING,
        text="{text}",
    )
    for kind, (word, label) in _LABELS.items()
}


def watch_service() -> None:
    """Once a day for each alert and degree, as long as it lasts. Several workers may run it at the same time."""
    now = database_now()
    facts = ServiceFacts.of_row(Instance.objects.values(**service_columns(now)).get())
    alerts = [*service_alerts(facts, now), *log_target_alerts(now)]
    publish_unknown([_announcement(alert, now) for alert in alerts])


def _announcement(alert: Alert, now: datetime) -> Announcement:
    word = TOPICS[alert.kind].word
    about = alert.object
    return Announcement(
        topic=word,
        dedup_key=f"{word}:{about.id if about else ''}:{now:%Y-%m-%d}:{alert.degree}",
        object_type=about.type if about else "",
        object_id=about.id if about else "",
        object_name=about.name if about else "",
        facts={"text": alert.text},
    )
