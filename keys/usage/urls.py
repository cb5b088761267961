from django.urls import path

from keys.usage.api import ImpactView, ScreamTestView, UsageView

api = [
    path("keys/<key:key_id>/usage", UsageView.as_view(), name="key-usage"),
    path("keys/<key:key_id>/impact", ImpactView.as_view(), name="key-impact"),
    path("keys/<key:key_id>/scream-test", ScreamTestView.as_view(), name="key-scream-test"),
]
