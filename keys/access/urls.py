from django.urls import path

from keys.access.api import AccessView, KeyGrantListView, KeyGrantView, TagGrantListView, TagGrantView

api = [
    path("keys/<key:key_id>/grants", KeyGrantListView.as_view(), name="key-grants"),
    path("keys/<key:key_id>/grants/<uuid:grant_id>", KeyGrantView.as_view(), name="key-grant"),
    path("keys/<key:key_id>/access", AccessView.as_view(), name="key-access"),
    path("grants", TagGrantListView.as_view(), name="grants"),
    path("grants/<uuid:grant_id>", TagGrantView.as_view(), name="grant"),
]
