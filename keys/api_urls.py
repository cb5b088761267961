from django.urls import path, register_converter

from keys import api
from keys.references import KeyReferenceConverter

register_converter(KeyReferenceConverter, "key")

urlpatterns = [
    path("keys", api.KeyListView.as_view(), name="keys"),
    path("keys/<key:key_id>", api.KeyDetailView.as_view(), name="key"),
    path("keys/<key:key_id>/rotate", api.RotateKeyView.as_view(), name="key-rotate"),
    path("keys/<key:key_id>/activate", api.ActivateKeyView.as_view(), name="key-activate"),
    path("keys/<key:key_id>/disable", api.DisableKeyView.as_view(), name="key-disable"),
    path("keys/<key:key_id>/enable", api.EnableKeyView.as_view(), name="key-enable"),
    path("keys/<key:key_id>/revoke", api.RevokeKeyView.as_view(), name="key-revoke"),
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
    path("rotations", api.RotationListView.as_view(), name="rotations"),
]
