from django.apps import AppConfig
from django.urls import register_converter

from audit.log import action_labels, object_names
from keys.actions import LABELS
from keys.references import PREFIX, KeyReferenceConverter

CLEANUP_SECONDS = 3600.0


class KeysConfig(AppConfig):
    name = "keys"

    def ready(self) -> None:
        # Before any app's URLs are loaded, because those of ``crypto_ops`` use it, too.
        register_converter(KeyReferenceConverter, "key")
        from accounts.custom_roles import services as custom_roles  # noqa: PLC0415
        from kernel.jobs import registry  # noqa: PLC0415 - models are not loaded before
        from kernel.outbox import topics  # noqa: PLC0415 - models are not loaded before
        from keys import schedule  # noqa: PLC0415
        from keys.access.announcements import TOPIC  # noqa: PLC0415
        from keys.deletion.announcements import TOPICS  # noqa: PLC0415
        from keys.models import Key, KeyRotationJob  # noqa: PLC0415
        from keys.models.grants import count_grants_to_role  # noqa: PLC0415
        from keys.policies.services.reading import visible_policies  # noqa: PLC0415
        from keys.rotation import task  # noqa: PLC0415
        from keys.transport.services.import_parameters import delete_expired_parameters  # noqa: PLC0415

        custom_roles.count_uses.append(count_grants_to_role)
        registry.register(task.KIND, KeyRotationJob, task.run, task.ended)
        for name, function in schedule.PERIODIC.items():
            registry.register_periodic(name, schedule.SECONDS, function)
        registry.register_periodic(
            "delete_expired_import_parameters", CLEANUP_SECONDS, delete_expired_parameters
        )
        topics.register(TOPIC, *TOPICS)
        action_labels.register(LABELS)
        object_names.register(
            "key",
            object_names.NamedObjects(
                visible_to=Key.objects.visible_to,
                column="name",
                page="key",
                prefix=PREFIX,
                indexed="searched_text",
            ),
        )
        object_names.register(
            "policy",
            object_names.NamedObjects(visible_to=visible_policies, column="name", page="policy"),
        )
