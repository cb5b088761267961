from django.apps import AppConfig

from audit.log import action_labels
from demo.actions import LABELS


class DemoConfig(AppConfig):
    name = "demo"

    def ready(self) -> None:
        action_labels.register(LABELS)
