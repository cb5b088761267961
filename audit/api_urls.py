from django.urls import path

from audit.api import logs

urlpatterns = [
    path("audit/logs", logs.LogListView.as_view(), name="audit-logs"),
    path("audit/logs/<int:log_id>", logs.LogDetailView.as_view(), name="audit-log"),
    path("audit/trail", logs.TrailListView.as_view(), name="audit-trail"),
]
