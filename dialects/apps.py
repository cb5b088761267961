from django.apps import AppConfig

from audit.log import action_labels
from dialects.actions import LABELS


class DialectsConfig(AppConfig):
    name = "dialects"

    def ready(self) -> None:
        action_labels.register(LABELS)
