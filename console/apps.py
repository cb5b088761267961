from django.apps import AppConfig

from audit.log import action_labels
from console.actions import LABELS


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        from console.key_encryption import rewraps  # noqa: PLC0415 - models are not loaded before
        from kernel.jobs import registry  # noqa: PLC0415
        from kernel.models import KekRewrap  # noqa: PLC0415

        registry.register(rewraps.KIND, KekRewrap, rewraps.run, rewraps.ended)
        action_labels.register(LABELS)
