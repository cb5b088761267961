from django.apps import AppConfig

WATCH_SECONDS = 1.0
DELIVER_SECONDS = 1.0


class CanariesConfig(AppConfig):
    name = "canaries"

    def ready(self) -> None:
        from audit.log import sealed_details  # noqa: PLC0415 - models are not loaded before
        from audit.verification import further_checks  # noqa: PLC0415
        from canaries.delivery.delivering import deliver_notices  # noqa: PLC0415
        from canaries.sealed.verification import JournalCheck  # noqa: PLC0415
        from canaries.watching.overflow import SOURCE  # noqa: PLC0415
        from canaries.watching.watching import watch_log  # noqa: PLC0415
        from kernel.jobs import registry  # noqa: PLC0415

        further_checks.register(JournalCheck)
        sealed_details.register(SOURCE)
        registry.register_periodic("watch_log", WATCH_SECONDS, watch_log, is_long=True)
        registry.register_periodic("deliver_notices", DELIVER_SECONDS, deliver_notices, is_long=True)
