from django.apps import AppConfig

from audit.log import action_labels
from crypto_ops.actions import LABELS


class CryptoOpsConfig(AppConfig):
    name = "crypto_ops"
    verbose_name = "Crypto operations"

    def ready(self) -> None:
        action_labels.register(LABELS)
