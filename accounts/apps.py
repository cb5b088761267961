from django.apps import AppConfig

from accounts.actions import LABELS
from audit.log import action_labels


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        action_labels.register(LABELS)
