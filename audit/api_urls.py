from django.urls import path

from audit import api

urlpatterns = [
    path("audit/logs", api.LogList.as_view(), name="audit-logs"),
    path("audit/logs/<int:log_id>", api.LogDetail.as_view(), name="audit-log"),
    path("audit/trail", api.TrailList.as_view(), name="audit-trail"),
]
