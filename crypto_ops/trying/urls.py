from django.urls import path

from crypto_ops.trying.file_digests import SignFileView
from crypto_ops.trying.inspection import InspectPageView
from crypto_ops.trying.random_page import RandomPageView
from crypto_ops.trying.views import TryView, UseView

pages = [
    path("inspect/", InspectPageView.as_view(), name="inspect-page"),
    path("random/", RandomPageView.as_view(), name="random-page"),
    path("keys/<slug:name>/try/", TryView.as_view(), name="key-try"),
    path("keys/<slug:name>/sign-file/", SignFileView.as_view(), name="key-sign-file"),
    path("keys/<slug:name>/use/", UseView.as_view(), name="key-use"),
]
