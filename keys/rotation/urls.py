from django.urls import path

from keys.rotation.api import RotateKeyView, RotationListView, SucceedKeyView

api = [
    path("keys/<key:key_id>/rotate", RotateKeyView.as_view(), name="key-rotate"),
    path("keys/<key:key_id>/succeed", SucceedKeyView.as_view(), name="key-succeed"),
    path("rotations", RotationListView.as_view(), name="rotations"),
]
