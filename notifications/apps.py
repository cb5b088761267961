from django.apps import AppConfig

DELIVER_SECONDS = 5.0
WATCH_SECONDS = 300.0
CLEANUP_SECONDS = 3600.0


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from audit.log import action_labels  # noqa: PLC0415 - models are not loaded before
        from kernel.jobs import registry  # noqa: PLC0415
        from kernel.observability.metrics import notification_attempts_total  # noqa: PLC0415
        from kernel.outbox import topics as outbox_topics  # noqa: PLC0415
        from notifications import checks, topics  # noqa: F401, PLC0415 - registering checks needs the app registry
        from notifications.actions import LABELS  # noqa: PLC0415
        from notifications.services.cleanup import delete_old  # noqa: PLC0415
        from notifications.services.delivery import deliver_due  # noqa: PLC0415
        from notifications.services.watch_accounts import watch_accounts  # noqa: PLC0415
        from notifications.services.watch_keys import watch_keys  # noqa: PLC0415

        outbox_topics.register(*topics.TOPICS)
        action_labels.register(LABELS)
        for channel in ("webhook", "email"):
            for result in ("ok", "failed"):
                notification_attempts_total.labels(
                    channel, result
                )  # a counter that begins at 0 shows its first increase
        registry.register_periodic("deliver_notifications", DELIVER_SECONDS, deliver_due)
        registry.register_periodic("watch_keys", WATCH_SECONDS, watch_keys)
        registry.register_periodic("watch_accounts", WATCH_SECONDS, watch_accounts)
        registry.register_periodic("delete_old_notifications", CLEANUP_SECONDS, delete_old)
