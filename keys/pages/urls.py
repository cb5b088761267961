from django.urls import path

from kernel.pages.operations import operation_paths
from keys.pages.operations import KEY_OPERATIONS
from keys.pages.version_operations import VERSION_OPERATIONS
from keys.pages.views import (
    access,
    bulk,
    changing,
    detail,
    grants,
    listing,
    ownership,
    public_keys,
    saved,
    scream_tests,
    succession,
    transport,
    versions,
)

pages = [
    path("grants/", grants.GrantListView.as_view(), name="grants-page"),
    *operation_paths("grants/<uuid:grant_id>/", grants.LISTED_GRANT, [access.REMOVE_GRANT]),
    path("keys/", listing.KeyListView.as_view(), name="keys"),
    path("keys/new", listing.NewKeyView.as_view(), name="key-new"),
    path("keys/import", transport.ImportView.as_view(), name="key-import"),
    # Without a slash at the end: a key may be named "bulk".
    path("keys/columns", listing.KeyColumnsView.as_view(), name="keys-columns"),
    path("keys/views", saved.SavedViewsView.as_view(), name="keys-saved"),
    path("keys/views-new", saved.NewSavedViewView.as_view(), name="keys-saved-new"),
    path("keys/views-delete/<uuid:filter_id>", saved.DeleteSavedViewView.as_view(), name="keys-saved-delete"),
    path("keys/bulk", bulk.BulkRotateView.as_view(), name="keys-bulk"),
    path("keys/bulk-tag", bulk.BulkTagView.as_view(), name="keys-bulk-tag"),
    path("keys/bulk-disable", bulk.BulkDisableView.as_view(), name="keys-bulk-disable"),
    path("keys/bulk-policy", bulk.BulkPolicyView.as_view(), name="keys-bulk-policy"),
    path("keys/bulk-rotation", bulk.BulkRotationView.as_view(), name="keys-bulk-rotation"),
    path("keys/bulk-grant", bulk.BulkGrantView.as_view(), name="keys-bulk-grant"),
    path("keys/<slug:name>/", detail.OverviewView.as_view(), name="key"),
    path("keys/<slug:name>/public-key/", public_keys.PublicKeyView.as_view(), name="key-public-page"),
    path("keys/<slug:name>/public-key.pem", public_keys.PublicKeyFileView.as_view(), name="key-public-file"),
    path("keys/<slug:name>/versions/", detail.VersionsView.as_view(), name="key-versions"),
    path("keys/<slug:name>/minimum-version", versions.MinimumVersionView.as_view(), name="key-minimum"),
    *operation_paths(
        "keys/<slug:name>/versions/<int:version>/", versions.VERSION, VERSION_OPERATIONS.values()
    ),
    path("keys/<slug:name>/access/", access.AccessView.as_view(), name="key-access-page"),
    *operation_paths("keys/<slug:name>/access/<uuid:grant_id>/", access.GRANT, [access.REMOVE_GRANT]),
    path("keys/<slug:name>/activity/", detail.ActivityView.as_view(), name="key-activity"),
    path("keys/<slug:name>/scream-test", scream_tests.ScreamTestView.as_view(), name="key-scream-test-page"),
    path("keys/<slug:name>/export", transport.ExportView.as_view(), name="key-export"),
    *operation_paths("keys/<slug:name>/", succession.SUCCEEDED, [succession.SUCCEED]),
    *operation_paths("keys/<slug:name>/", ownership.TRANSFERRED, [ownership.TRANSFER]),
    path(
        "users/<uuid:user_id>/transfer-keys", ownership.TransferAllView.as_view(), name="user-transfer-keys"
    ),
    path("keys/<slug:name>/settings/", changing.SettingsView.as_view(), name="key-settings"),
    path("keys/<slug:name>/notes", changing.NotesView.as_view(), name="key-notes"),
    *operation_paths("keys/<slug:name>/", changing.KEY, KEY_OPERATIONS.values()),
]
