from django.urls import path

from keys.deletion.api import (
    CancelDeletionView,
    CancelDestructionView,
    ScheduleDeletionView,
    ScheduleDestructionView,
)

api = [
    path("keys/<key:key_id>/schedule-deletion", ScheduleDeletionView.as_view(), name="key-schedule-deletion"),
    path("keys/<key:key_id>/cancel-deletion", CancelDeletionView.as_view(), name="key-cancel-deletion"),
    path(
        "keys/<key:key_id>/versions/<int:version>/schedule-destruction",
        ScheduleDestructionView.as_view(),
        name="key-version-schedule-destruction",
    ),
    path(
        "keys/<key:key_id>/versions/<int:version>/cancel-destruction",
        CancelDestructionView.as_view(),
        name="key-version-cancel-destruction",
    ),
]
