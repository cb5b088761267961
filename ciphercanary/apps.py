from django.apps import AppConfig


class CipherCanaryConfig(AppConfig):
    name = "ciphercanary"
    verbose_name = "Root of trust"

    def ready(self) -> None:
        from ciphercanary import checks  # noqa: F401, PLC0415 - registering checks needs the app registry
