from django.urls import path

from audit import api

urlpatterns = [
    path("audit/logs", api.LogListView.as_view(), name="audit-logs"),
    path("audit/logs/<int:log_id>", api.LogDetailView.as_view(), name="audit-log"),
    path("audit/trail", api.TrailListView.as_view(), name="audit-trail"),
]
