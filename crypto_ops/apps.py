from django.apps import AppConfig

from audit.log import action_labels
from crypto_ops.actions import LABELS

SWEEP_SECONDS = 600.0


class CryptoOpsConfig(AppConfig):
    name = "crypto_ops"
    verbose_name = "Crypto operations"

    def ready(self) -> None:
        from crypto_ops.files import task  # noqa: PLC0415 - models are not loaded before
        from crypto_ops.models import FileJob  # noqa: PLC0415
        from kernel.jobs import registry  # noqa: PLC0415

        registry.register(task.KIND, FileJob, task.run, task.ended)
        registry.register_periodic("delete_expired_files", SWEEP_SECONDS, task.delete_expired_files)
        action_labels.register(LABELS)
