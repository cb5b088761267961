from django.apps import AppConfig

from audit.log import action_labels
from console.actions import LABELS


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        from console.services import rewraps  # noqa: PLC0415 - models are not loaded before
        from kernel import jobs  # noqa: PLC0415
        from kernel.rewrap_jobs import KekRewrap  # noqa: PLC0415

        jobs.register(rewraps.KIND, KekRewrap, rewraps.run, rewraps.ended)
        action_labels.register(LABELS)
