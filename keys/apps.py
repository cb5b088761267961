from django.apps import AppConfig

from audit.log import action_labels, object_names
from keys.actions import LABELS
from keys.references import PREFIX


class KeysConfig(AppConfig):
    name = "keys"

    def ready(self) -> None:
        from keys.models import Key  # noqa: PLC0415 - models are not loaded before
        from keys.services.policies import visible_policies  # noqa: PLC0415 - likewise

        action_labels.register(LABELS)
        object_names.register(
            "key",
            object_names.NamedObjects(
                visible_to=Key.objects.visible_to, column="name", page="key", prefix=PREFIX
            ),
        )
        object_names.register(
            "policy",
            object_names.NamedObjects(visible_to=visible_policies, column="name", page="policy"),
        )
