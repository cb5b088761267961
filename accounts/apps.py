from django.apps import AppConfig

from accounts.actions import LABELS
from audit.log import action_labels, object_names
from kernel.outbox.topics import register


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts.models import ServiceAccount, User  # noqa: PLC0415 - models are not loaded before
        from accounts.sign_in.oidc import checks  # noqa: F401, PLC0415 - registers the checks
        from accounts.users.services import new_admins, password_resets  # noqa: PLC0415

        action_labels.register(LABELS)
        register(new_admins.TOPIC)
        register(password_resets.TOPIC)
        users = object_names.NamedObjects(visible_to=User.objects.visible_to, column="username")
        object_names.register("user", users)
        accounts = object_names.NamedObjects(visible_to=ServiceAccount.objects.visible_to, column="name")
        object_names.register("service_account", accounts)
