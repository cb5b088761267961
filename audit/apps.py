from django.apps import AppConfig

from audit import actions
from audit.log import action_labels, operations
from kernel import actions as kernel_actions

SWEEP_SECONDS = 600.0
ARCHIVE_SECONDS = 30.0
FORWARD_SECONDS = 2.0
WATCH_SECONDS = 10.0


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit log"

    def ready(self) -> None:
        from audit import checks  # noqa: F401, PLC0415 - registers the checks
        from audit.archive.archiving import archive_due_segment  # noqa: PLC0415
        from audit.exports import task  # noqa: PLC0415 - models are not loaded before
        from audit.forwarding.running import forward_due  # noqa: PLC0415
        from audit.models import AuditExport, AuditVerification  # noqa: PLC0415
        from audit.sequencing.alarms import TOPIC  # noqa: PLC0415
        from audit.services.recording import record_changes  # noqa: PLC0415
        from audit.verification import jobs as verification  # noqa: PLC0415
        from audit.verification.database.epochs import watch_epochs  # noqa: PLC0415
        from audit.verification.database.schema import watch_schema  # noqa: PLC0415
        from audit.verification.database.state import compare_soon, watch_state  # noqa: PLC0415
        from audit.verification.passes.steps import STEP_SECONDS, verify_next  # noqa: PLC0415
        from kernel.databases.changes import record_rest_with  # noqa: PLC0415
        from kernel.jobs import registry  # noqa: PLC0415
        from kernel.outbox import topics  # noqa: PLC0415
        from kernel.trust.row_mac import report_older_rows_to  # noqa: PLC0415

        registry.register(task.KIND, AuditExport, task.run, task.ended)
        registry.register(verification.KIND, AuditVerification, verification.run, verification.ended)
        registry.register_periodic("delete_expired_results", SWEEP_SECONDS, task.delete_expired_results)
        registry.register_periodic("archive_audit_log", ARCHIVE_SECONDS, archive_due_segment)
        registry.register_periodic("forward_audit_log", FORWARD_SECONDS, forward_due, is_long=True)
        registry.register_periodic("watch_epochs", WATCH_SECONDS, watch_epochs)
        registry.register_periodic("watch_schema", WATCH_SECONDS, watch_schema)
        registry.register_periodic("watch_state", WATCH_SECONDS, watch_state, is_long=True)
        registry.register_periodic("verify_log", STEP_SECONDS, verify_next, is_long=True)
        record_rest_with(record_changes)
        report_older_rows_to(compare_soon)
        topics.register(TOPIC)
        action_labels.register(actions.LABELS)
        action_labels.register(kernel_actions.LABELS)
        action_labels.register({operations.OPERATION: operations.LABEL})
