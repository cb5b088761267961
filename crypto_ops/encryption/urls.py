from django.urls import path

from crypto_ops.encryption import api as views

api = [
    path("encrypt", views.EncryptView.as_view(), name="encrypt"),
    path("decrypt", views.DecryptView.as_view(), name="decrypt"),
    path("encrypt/batch", views.EncryptBatchView.as_view(), name="encrypt-batch"),
    path("decrypt/batch", views.DecryptBatchView.as_view(), name="decrypt-batch"),
    path("inspect", views.InspectView.as_view(), name="inspect"),
]
