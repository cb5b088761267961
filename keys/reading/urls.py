from django.urls import path

from keys.reading.api import KeyVersionListView

api = [
    path("keys/<key:key_id>/versions", KeyVersionListView.as_view(), name="key-versions"),
]
