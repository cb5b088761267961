from django.urls import path

from kernel.pages.operations import operation_paths
from keys.policies import views
from keys.policies.api import PolicyListView, PolicyView, PreviewPolicyView
from keys.policies.operations import POLICY_OPERATIONS

api = [
    path("policies", PolicyListView.as_view(), name="policies"),
    path("policies/<uuid:policy_id>", PolicyView.as_view(), name="policy"),
    path("policies/<uuid:policy_id>/preview", PreviewPolicyView.as_view(), name="policy-preview"),
]

pages = [
    path("policies/", views.PolicyListView.as_view(), name="policies"),
    path("policies/new", views.NewPolicyView.as_view(), name="policy-new"),
    path("policies/<slug:name>/", views.PolicyView.as_view(), name="policy"),
    path("policies/<slug:name>/edit", views.EditPolicyView.as_view(), name="policy-edit"),
    *operation_paths("policies/<slug:name>/", views.SUBJECT, POLICY_OPERATIONS.values()),
]
