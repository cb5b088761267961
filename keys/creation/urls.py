from django.urls import path

from keys.creation.api import KeyListView

api = [
    path("keys", KeyListView.as_view(), name="keys"),
]
