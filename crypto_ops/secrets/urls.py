from django.urls import path

from crypto_ops.secrets import api as views

api = [
    path("encapsulate", views.EncapsulateView.as_view(), name="encapsulate"),
    path("decapsulate", views.DecapsulateView.as_view(), name="decapsulate"),
    path("shared-secret", views.AgreeView.as_view(), name="shared-secret"),
    path("data-keys", views.DataKeyView.as_view(), name="data-keys"),
    path("derive", views.DeriveView.as_view(), name="derive"),
    path("random", views.RandomView.as_view(), name="random"),
]
