from django.urls import path

from keys.editing.api import KeyDetailView

api = [
    path("keys/<key:key_id>", KeyDetailView.as_view(), name="key"),
]
