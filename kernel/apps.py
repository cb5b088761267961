from django.apps import AppConfig

SWEEP_SECONDS = 600.0


class KernelConfig(AppConfig):
    name = "kernel"
    label = "ciphercanary"  # in the names of migrations, permissions and admin pages since the first version
    verbose_name = "Root of trust"

    def ready(self) -> None:
        from kernel import checks  # noqa: F401, PLC0415 - registering checks needs the app registry
        from kernel.idempotency.requests import delete_expired  # noqa: PLC0415 - models are not loaded before
        from kernel.jobs import registry  # noqa: PLC0415
        from kernel.jobs.leases import JOB_FAILED  # noqa: PLC0415
        from kernel.outbox import topics  # noqa: PLC0415

        registry.register_periodic("delete_expired_responses", SWEEP_SECONDS, delete_expired)
        topics.register(
            topics.Topic(
                word=JOB_FAILED,
                label="Job failed",
                severity=topics.Severity.WARNING,
                text="A job of the kind {kind} failed ({error_code}).",
            )
        )
