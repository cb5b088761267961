from django.urls import path

from kernel.pages import Rule
from keys.operations import KEY_OPERATIONS
from keys.views import access, bulk, changing, detail, listing, succession, versions

urlpatterns = [
    path("keys/", listing.KeyListView.as_view(), name="keys"),
    path("keys/new", listing.NewKeyView.as_view(), name="key-new"),
    # Without a slash at the end: a key may be named "bulk".
    path("keys/bulk", bulk.BulkRotateView.as_view(), name="keys-bulk"),
    path("keys/bulk-tag", bulk.BulkTagView.as_view(), name="keys-bulk-tag"),
    path("keys/<slug:name>/", detail.OverviewView.as_view(), name="key"),
    path("keys/<slug:name>/versions/", detail.VersionsView.as_view(), name="key-versions"),
    path(
        "keys/<slug:name>/versions/<int:version>/disable",
        versions.DisableVersionView.as_view(),
        name="key-version-disable",
    ),
    path(
        "keys/<slug:name>/versions/<int:version>/enable",
        versions.EnableVersionView.as_view(),
        name="key-version-enable",
    ),
    path("keys/<slug:name>/access/", access.AccessView.as_view(), name="key-access-page"),
    path(
        "keys/<slug:name>/access/<uuid:grant_id>/remove",
        access.RemoveGrantView.as_view(),
        name="key-grant-remove",
    ),
    path("keys/<slug:name>/activity/", detail.ActivityView.as_view(), name="key-activity"),
    path("keys/<slug:name>/succeed", succession.SucceedView.as_view(), name="key-succeed"),
    path("keys/<slug:name>/settings/", changing.SettingsView.as_view(), name="key-settings"),
    path("keys/<slug:name>/notes", changing.NotesView.as_view(), name="key-notes"),
    *(
        path(
            f"keys/<slug:name>/{operation.slug}",
            changing.KeyOperationView.as_view(
                operation=operation,
                rules=dict.fromkeys(("GET", "POST"), Rule(operation.permission, operation.action)),
            ),
            name=operation.url_name,
        )
        for operation in KEY_OPERATIONS.values()
    ),
]
