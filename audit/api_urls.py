from django.urls import path

from audit.api import alarms, exports, logs, proofs, saved_filters

urlpatterns = [
    path("audit/logs", logs.LogListView.as_view(), name="audit-logs"),
    path("audit/logs/<int:log_id>", logs.LogDetailView.as_view(), name="audit-log"),
    path("audit/logs/<int:log_id>/proof", proofs.ProofView.as_view(), name="audit-proof"),
    path("audit/checkpoint", proofs.CheckpointView.as_view(), name="audit-checkpoint"),
    path("audit/consistency", proofs.ConsistencyView.as_view(), name="audit-consistency"),
    path("audit/trail", logs.TrailListView.as_view(), name="audit-trail"),
    path("audit/alarms", alarms.AlarmListView.as_view(), name="audit-alarms"),
    path(
        "audit/alarms/<uuid:alarm_id>/resolve",
        alarms.ResolveAlarmView.as_view(),
        name="audit-alarm-resolve",
    ),
    path("audit/exports", exports.ExportListView.as_view(), name="audit-exports"),
    path("audit/exports/<uuid:export_id>", exports.ExportDetailView.as_view(), name="audit-export"),
    path(
        "audit/exports/<uuid:export_id>/cancel",
        exports.ExportCancelView.as_view(),
        name="audit-export-cancel",
    ),
    path(
        "audit/exports/<uuid:export_id>/result",
        exports.ExportResultView.as_view(),
        name="audit-export-result",
    ),
    path("audit/saved-filters", saved_filters.SavedFilterListView.as_view(), name="saved-filters"),
    path(
        "audit/saved-filters/<uuid:filter_id>", saved_filters.SavedFilterView.as_view(), name="saved-filter"
    ),
]
