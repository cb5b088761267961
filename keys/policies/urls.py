from django.urls import path

from kernel.rules import Rule
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
    *(
        path(
            f"policies/<slug:name>/{operation.slug}",
            views.PolicyOperationView.as_view(
                operation=operation,
                rules=dict.fromkeys(("GET", "POST"), Rule("policies.manage", operation.action)),
            ),
            name=operation.url_name,
        )
        for operation in POLICY_OPERATIONS.values()
    ),
]
