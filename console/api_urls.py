from django.urls import path

from console.home import api
from console.jobs import api as api_operations

urlpatterns = [
    path("attention", api.AttentionView.as_view(), name="attention"),
    path("operations", api_operations.OperationListView.as_view(), name="operations"),
    path(
        "operations/<uuid:operation_id>",
        api_operations.OperationDetailView.as_view(),
        name="operation",
    ),
    path(
        "operations/<uuid:operation_id>/cancel",
        api_operations.CancelOperationView.as_view(),
        name="operation-cancel",
    ),
    path(
        "operations/<uuid:operation_id>/result",
        api_operations.OperationResultView.as_view(),
        name="operation-result",
    ),
]
