from django.urls import path

from keys import (
    api,
    api_deletion,
    api_grants,
    api_policies,
    api_public_keys,
    api_rotations,
    api_transport,
    api_usage,
)

urlpatterns = [
    path("keys", api.KeyListView.as_view(), name="keys"),
    path("keys/import", api_transport.ImportKeyView.as_view(), name="keys-import"),
    path(
        "keys/import-parameters",
        api_transport.ImportParametersView.as_view(),
        name="keys-import-parameters",
    ),
    path("keys/<key:key_id>", api.KeyDetailView.as_view(), name="key"),
    path("keys/<key:key_id>/rotate", api_rotations.RotateKeyView.as_view(), name="key-rotate"),
    path("keys/<key:key_id>/succeed", api_rotations.SucceedKeyView.as_view(), name="key-succeed"),
    path("keys/<key:key_id>/activate", api.ActivateKeyView.as_view(), name="key-activate"),
    path("keys/<key:key_id>/disable", api.DisableKeyView.as_view(), name="key-disable"),
    path("keys/<key:key_id>/enable", api.EnableKeyView.as_view(), name="key-enable"),
    path("keys/<key:key_id>/revoke", api.RevokeKeyView.as_view(), name="key-revoke"),
    path(
        "keys/<key:key_id>/schedule-deletion",
        api_deletion.ScheduleDeletionView.as_view(),
        name="key-schedule-deletion",
    ),
    path(
        "keys/<key:key_id>/cancel-deletion",
        api_deletion.CancelDeletionView.as_view(),
        name="key-cancel-deletion",
    ),
    path("keys/<key:key_id>/versions", api.KeyVersionListView.as_view(), name="key-versions"),
    path(
        "keys/<key:key_id>/versions/<int:version>/disable",
        api.DisableVersionView.as_view(),
        name="key-version-disable",
    ),
    path(
        "keys/<key:key_id>/versions/<int:version>/enable",
        api.EnableVersionView.as_view(),
        name="key-version-enable",
    ),
    path(
        "keys/<key:key_id>/versions/<int:version>/schedule-destruction",
        api_deletion.ScheduleDestructionView.as_view(),
        name="key-version-schedule-destruction",
    ),
    path(
        "keys/<key:key_id>/versions/<int:version>/cancel-destruction",
        api_deletion.CancelDestructionView.as_view(),
        name="key-version-cancel-destruction",
    ),
    path("keys/<key:key_id>/public-key", api_public_keys.PublicKeyView.as_view(), name="key-public-key"),
    path("keys/<key:key_id>/export", api_transport.ExportKeyView.as_view(), name="key-export"),
    path("keys/<key:key_id>/jwks", api_public_keys.KeySetView.as_view(), name="key-jwks"),
    path("keys/<key:key_id>/usage", api_usage.UsageView.as_view(), name="key-usage"),
    path("keys/<key:key_id>/impact", api_usage.ImpactView.as_view(), name="key-impact"),
    path("keys/<key:key_id>/grants", api_grants.KeyGrantListView.as_view(), name="key-grants"),
    path("keys/<key:key_id>/grants/<uuid:grant_id>", api_grants.KeyGrantView.as_view(), name="key-grant"),
    path("keys/<key:key_id>/access", api_grants.AccessView.as_view(), name="key-access"),
    path("grants", api_grants.TagGrantListView.as_view(), name="grants"),
    path("grants/<uuid:grant_id>", api_grants.TagGrantView.as_view(), name="grant"),
    path("policies", api_policies.PolicyListView.as_view(), name="policies"),
    path("policies/<uuid:policy_id>", api_policies.PolicyView.as_view(), name="policy"),
    path(
        "policies/<uuid:policy_id>/preview", api_policies.PreviewPolicyView.as_view(), name="policy-preview"
    ),
    path("rotations", api_rotations.RotationListView.as_view(), name="rotations"),
]
