"""Read-only admin of the root of trust and the outbox for auditors: names and dates, no wrapped bytes."""

from kernel.databases.releases import AppliedRelease
from kernel.idempotency.models import CompletedRequest
from kernel.models import KekRewrap
from kernel.outbox.models import Notification
from kernel.read_only_admin import read_only
from kernel.trust.models import Instance, KeyEncryptionKey, StateHead, SystemKey

read_only(Instance, "id created_at", fields="id created_at")
read_only(
    KeyEncryptionKey, "id is_primary created_at retired_at", fields="id is_primary created_at retired_at"
)
read_only(StateHead, "id digest", fields="id digest")
read_only(AppliedRelease, "version applied_at", fields="version applied_at")
read_only(CompletedRequest, "id object_id expires_at", fields="id object_id expires_at")
read_only(
    KekRewrap,
    "created_at created_by_name status done total altered kek_id",
    list_filter="status",
    ordering="-created_at",
    page="jobs",
    detail="rewrap",
)
read_only(
    Notification,
    "created_at topic object_type object_name",
    fields="id topic object_type object_id object_name created_at distributed_at",
    page="notifications",
)
read_only(
    SystemKey,
    "kid purpose is_primary kek_id created_at",
    fields="kid purpose is_primary kek_id created_at",
    list_filter="purpose",
)
