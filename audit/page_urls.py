from django.urls import path

from audit.views import logs

urlpatterns = [
    path("audit/", logs.LogListView.as_view(), name="audit"),
    path("audit/<int:log_id>/", logs.LogEntryView.as_view(), name="audit-entry"),
]
