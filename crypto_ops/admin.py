"""Read-only admin of the jobs of this app."""

from crypto_ops.models import FileJob, Reencryption
from kernel.read_only_admin import read_only

read_only(
    Reencryption,
    "key target_key status done total refused created_by_name created_at",
    list_filter="status",
    ordering="-created_at",
    page="jobs",
    detail="reencryption-job",
)
read_only(
    FileJob,
    "operation key status upload_size size created_by_name created_at",
    list_filter="status operation",
    ordering="-created_at",
    page="jobs",
    detail="file-job",
)
