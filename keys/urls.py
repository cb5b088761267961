from django.urls import path

from keys import api_public_keys
from keys.access import api as api_grants
from keys.creation import api as creation_api
from keys.deletion import api as api_deletion
from keys.editing import api as editing_api
from keys.policies import api as api_policies
from keys.reading import api
from keys.rotation import api as api_rotations
from keys.states import api as states_api
from keys.transport import api as api_transport
from keys.transport import api as transport_api
from keys.usage import api as api_usage

urlpatterns = [
    path("keys", creation_api.KeyListView.as_view(), name="keys"),
    path("keys/import", api_transport.ImportKeyView.as_view(), name="keys-import"),
    path(
        "keys/import-parameters",
        api_transport.ImportParametersView.as_view(),
        name="keys-import-parameters",
    ),
    path("keys/<key:key_id>", editing_api.KeyDetailView.as_view(), name="key"),
    path("keys/<key:key_id>/rotate", api_rotations.RotateKeyView.as_view(), name="key-rotate"),
    path("keys/<key:key_id>/succeed", api_rotations.SucceedKeyView.as_view(), name="key-succeed"),
    path("keys/<key:key_id>/activate", states_api.ActivateKeyView.as_view(), name="key-activate"),
    path("keys/<key:key_id>/disable", states_api.DisableKeyView.as_view(), name="key-disable"),
    path("keys/<key:key_id>/enable", states_api.EnableKeyView.as_view(), name="key-enable"),
    path("keys/<key:key_id>/revoke", states_api.RevokeKeyView.as_view(), name="key-revoke"),
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
        states_api.DisableVersionView.as_view(),
        name="key-version-disable",
    ),
    path(
        "keys/<key:key_id>/versions/<int:version>/enable",
        states_api.EnableVersionView.as_view(),
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
    path("keys/<key:key_id>/public-key", transport_api.PublicKeyView.as_view(), name="key-public-key"),
    path("keys/<key:key_id>/export", api_transport.ExportKeyView.as_view(), name="key-export"),
    path("keys/<key:key_id>/jwks", transport_api.KeySetView.as_view(), name="key-jwks"),
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
