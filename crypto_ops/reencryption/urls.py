from django.urls import path

from crypto_ops.reencryption import api as views
from crypto_ops.reencryption.views import NewReencryptionView

api = [
    path("reencrypt", views.ReencryptView.as_view(), name="reencrypt"),
    path("reencryptions", views.ReencryptionListView.as_view(), name="reencryptions"),
    path("reencryptions/<uuid:reencryption_id>", views.ReencryptionDetailView.as_view(), name="reencryption"),
    path(
        "reencryptions/<uuid:reencryption_id>/pages",
        views.ReencryptionPageView.as_view(),
        name="reencryption-pages",
    ),
    path(
        "reencryptions/<uuid:reencryption_id>/complete",
        views.CompleteReencryptionView.as_view(),
        name="reencryption-complete",
    ),
    path(
        "reencryptions/<uuid:reencryption_id>/cancel",
        views.CancelReencryptionView.as_view(),
        name="reencryption-cancel",
    ),
]

pages = [
    path("keys/<slug:name>/reencrypt-data", NewReencryptionView.as_view(), name="reencryption-new"),
]
