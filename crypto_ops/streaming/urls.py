from django.urls import path

from crypto_ops.streaming import api as views

api = [
    path("stream/encrypt", views.EncryptStreamView.as_view(), name="stream-encrypt"),
    path("stream/decrypt", views.DecryptStreamView.as_view(), name="stream-decrypt"),
]
