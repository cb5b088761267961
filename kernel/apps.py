from django.apps import AppConfig

SWEEP_SECONDS = 600.0


class KernelConfig(AppConfig):
    name = "kernel"
    label = "ciphercanary"  # in the names of migrations, permissions and admin pages since the first version
    verbose_name = "Root of trust"

    def ready(self) -> None:
        from kernel import checks, jobs  # noqa: F401, PLC0415 - registering checks needs the app registry
        from kernel.idempotency.requests import delete_expired  # noqa: PLC0415 - models are not loaded before

        jobs.register_periodic("delete_expired_responses", SWEEP_SECONDS, delete_expired)
