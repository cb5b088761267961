from django.apps import AppConfig

from audit.log import action_labels
from keys.actions import LABELS


class KeysConfig(AppConfig):
    name = "keys"

    def ready(self) -> None:
        action_labels.register(LABELS)
