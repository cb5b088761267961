from django.apps import AppConfig

from audit.log import action_labels
from console.actions import LABELS


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        from console.home import watch  # noqa: PLC0415 - models are not loaded before
        from console.key_encryption import rewraps  # noqa: PLC0415
        from kernel.jobs import registry  # noqa: PLC0415
        from kernel.models import KekRewrap  # noqa: PLC0415
        from kernel.outbox import topics as outbox_topics  # noqa: PLC0415

        outbox_topics.register(*watch.TOPICS.values())
        registry.register_periodic("watch_service", watch.SECONDS, watch.watch_service)
        registry.register(rewraps.KIND, KekRewrap, rewraps.run, rewraps.ended)
        action_labels.register(LABELS)
