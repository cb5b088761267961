from django.urls import path

from keys.editing.api import KeyDetailView, TransferKeyView

api = [
    path("keys/<key:key_id>", KeyDetailView.as_view(), name="key"),
    path("keys/<key:key_id>/transfer", TransferKeyView.as_view(), name="key-transfer"),
]
