"""Full verifications of the log that a user requested: jobs (``audit.verification.jobs``)."""

from django.db import models
from django.db.models import Q

from kernel.jobs.job import Job


class AuditVerification(Job):
    """``entries`` were verified, with a number of ``findings``. Both are None until it ends. The log has them, too, under a MAC."""

    entries = models.BigIntegerField(null=True)
    findings = models.BigIntegerField(null=True)

    class Meta(Job.Meta):
        db_table = "audit_verifications"
        verbose_name = "full verification"
        constraints = [
            models.CheckConstraint(
                condition=Q(entries__isnull=False, findings__isnull=False)
                | Q(entries__isnull=True, findings__isnull=True),
                name="audit_verifications_result_is_complete",
            ),
        ]
