from django.urls import path

from audit.api import alarms as alarms_api
from audit.api import exports as exports_api
from audit.api import log_targets as log_targets_api
from audit.api import logs as logs_api
from audit.api import proofs
from audit.api import saved_filters as saved_filters_api
from audit.api import segments as segments_api
from audit.api import witness as witness_api
from audit.views import alarms, checkpoints, exports, log_targets, logs, saved_filters, segments
from kernel.pages.operations import operation_paths

api = [
    path("audit/logs", logs_api.LogListView.as_view(), name="audit-logs"),
    path("audit/logs/<int:log_id>", logs_api.LogDetailView.as_view(), name="audit-log"),
    path("audit/logs/<int:log_id>/proof", proofs.ProofView.as_view(), name="audit-proof"),
    path("audit/checkpoint", proofs.CheckpointView.as_view(), name="audit-checkpoint"),
    path("audit/consistency", proofs.ConsistencyView.as_view(), name="audit-consistency"),
    path("audit/trail", logs_api.TrailListView.as_view(), name="audit-trail"),
    path("audit/alarms", alarms_api.AlarmListView.as_view(), name="audit-alarms"),
    path(
        "audit/alarms/<uuid:alarm_id>/resolve",
        alarms_api.ResolveAlarmView.as_view(),
        name="audit-alarm-resolve",
    ),
    path("audit/segments", segments_api.SegmentListView.as_view(), name="audit-segments"),
    path("witness/add-checkpoint", witness_api.AddCheckpointView.as_view(), name="witness-add-checkpoint"),
    path("witness/key", witness_api.WitnessKeyView.as_view(), name="witness-key"),
    path(
        "witness/<str:origin_hash>/checkpoint",
        witness_api.CosignedCheckpointView.as_view(),
        name="witness-checkpoint",
    ),
    path("audit/log-targets", log_targets_api.LogTargetListView.as_view(), name="api-log-targets"),
    path(
        "audit/log-targets/<uuid:target_id>", log_targets_api.LogTargetView.as_view(), name="api-log-target"
    ),
    path(
        "audit/log-targets/<uuid:target_id>/enable",
        log_targets_api.EnableLogTargetView.as_view(),
        name="api-log-target-enable",
    ),
    path(
        "audit/log-targets/<uuid:target_id>/disable",
        log_targets_api.DisableLogTargetView.as_view(),
        name="api-log-target-disable",
    ),
    path(
        "audit/log-targets/<uuid:target_id>/reset-position",
        log_targets_api.ResetPositionView.as_view(),
        name="api-log-target-position",
    ),
    path(
        "audit/log-targets/<uuid:target_id>/test",
        log_targets_api.TestLogTargetView.as_view(),
        name="api-log-target-test",
    ),
    path("audit/exports", exports_api.ExportListView.as_view(), name="audit-exports"),
    path("audit/exports/<uuid:export_id>", exports_api.ExportDetailView.as_view(), name="audit-export"),
    path(
        "audit/exports/<uuid:export_id>/cancel",
        exports_api.ExportCancelView.as_view(),
        name="audit-export-cancel",
    ),
    path(
        "audit/exports/<uuid:export_id>/result",
        exports_api.ExportResultView.as_view(),
        name="audit-export-result",
    ),
    path("audit/saved-filters", saved_filters_api.SavedFilterListView.as_view(), name="saved-filters"),
    path(
        "audit/saved-filters/<uuid:filter_id>",
        saved_filters_api.SavedFilterView.as_view(),
        name="saved-filter",
    ),
]

pages = [
    path("audit/", logs.LogListView.as_view(), name="audit"),
    path("audit/<int:log_id>/", logs.LogEntryView.as_view(), name="audit-entry"),
    path("audit/<int:log_id>/proof", logs.EntryProofView.as_view(), name="audit-entry-proof"),
    path("audit/alarms/", alarms.AlarmListView.as_view(), name="alarms"),
    path("audit/alarms/<uuid:alarm_id>/resolve", alarms.ResolveAlarmView.as_view(), name="alarm-resolve"),
    path("audit/archive/", segments.SegmentListView.as_view(), name="audit-archive"),
    path("audit/checkpoints/", checkpoints.CheckpointListView.as_view(), name="audit-checkpoints"),
    *operation_paths("audit/checkpoints/", checkpoints.LOG, [checkpoints.VERIFICATION]),
    path("audit/log-targets/", log_targets.LogTargetListView.as_view(), name="log-targets"),
    path("audit/log-targets/new", log_targets.NewLogTargetView.as_view(), name="log-target-new"),
    path("audit/log-targets/<uuid:target_id>/", log_targets.LogTargetView.as_view(), name="log-target"),
    path(
        "audit/log-targets/<uuid:target_id>/edit",
        log_targets.EditLogTargetView.as_view(),
        name="log-target-edit",
    ),
    path(
        "audit/log-targets/<uuid:target_id>/test",
        log_targets.TestLogTargetView.as_view(),
        name="log-target-test",
    ),
    *operation_paths(
        "audit/log-targets/<uuid:target_id>/", log_targets.LOG_TARGET, log_targets.LOG_TARGET_OPERATIONS
    ),
    path("audit/saved/", saved_filters.SavedFiltersView.as_view(), name="audit-saved"),
    path("audit/saved/new", saved_filters.NewSavedFilterView.as_view(), name="audit-saved-new"),
    path(
        "audit/saved/<uuid:filter_id>/delete",
        saved_filters.DeleteSavedFilterView.as_view(),
        name="audit-saved-delete",
    ),
    path("audit/exports/", exports.ExportListView.as_view(), name="audit-export-list"),
    path("audit/exports/new", exports.NewExportView.as_view(), name="audit-export-new"),
    path("audit/exports/<uuid:export_id>/file", exports.ExportFileView.as_view(), name="audit-export-file"),
]
