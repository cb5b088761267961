from django.urls import path

from crypto_ops.trying.views import TryView, UseView

pages = [
    path("keys/<slug:name>/try/", TryView.as_view(), name="key-try"),
    path("keys/<slug:name>/use/", UseView.as_view(), name="key-use"),
]
