from django.urls import path

from audit.views import alarms, exports, logs, saved_filters

urlpatterns = [
    path("audit/", logs.LogListView.as_view(), name="audit"),
    path("audit/<int:log_id>/", logs.LogEntryView.as_view(), name="audit-entry"),
    path("audit/<int:log_id>/proof", logs.EntryProofView.as_view(), name="audit-entry-proof"),
    path("audit/alarms/", alarms.AlarmListView.as_view(), name="alarms"),
    path("audit/alarms/<uuid:alarm_id>/resolve", alarms.ResolveAlarmView.as_view(), name="alarm-resolve"),
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
