"""Where Django looks for models. Each room defines its own."""

from kernel.databases.releases import AppliedRelease
from kernel.freshness.models import EntityEpoch, SecurityEpoch
from kernel.idempotency.models import CompletedRequest
from kernel.jobs.job import JobRecord
from kernel.models import KekRewrap
from kernel.outbox.models import Notification
from kernel.trust.models import Instance, KeyEncryptionKey, SystemKey

__all__ = [
    "AppliedRelease",
    "CompletedRequest",
    "EntityEpoch",
    "Instance",
    "JobRecord",
    "KekRewrap",
    "KeyEncryptionKey",
    "Notification",
    "SecurityEpoch",
    "SystemKey",
]
