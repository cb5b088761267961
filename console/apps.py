from django.apps import AppConfig

from audit.log import action_labels
from console.actions import LABELS


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        action_labels.register(LABELS)
