from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "kernel"
    label = "ciphercanary"  # in the names of migrations, permissions and admin pages since the first version
    verbose_name = "Root of trust"

    def ready(self) -> None:
        from kernel import checks  # noqa: F401, PLC0415 - registering checks needs the app registry
