from django.urls import path

from keys.states.api import (
    ActivateKeyView,
    DisableKeyView,
    DisableVersionView,
    EnableKeyView,
    EnableVersionView,
    RevokeKeyView,
)

api = [
    path("keys/<key:key_id>/activate", ActivateKeyView.as_view(), name="key-activate"),
    path("keys/<key:key_id>/disable", DisableKeyView.as_view(), name="key-disable"),
    path("keys/<key:key_id>/enable", EnableKeyView.as_view(), name="key-enable"),
    path("keys/<key:key_id>/revoke", RevokeKeyView.as_view(), name="key-revoke"),
    path(
        "keys/<key:key_id>/versions/<int:version>/disable",
        DisableVersionView.as_view(),
        name="key-version-disable",
    ),
    path(
        "keys/<key:key_id>/versions/<int:version>/enable",
        EnableVersionView.as_view(),
        name="key-version-enable",
    ),
]
