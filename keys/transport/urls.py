from django.urls import path

from keys.transport.api import ExportKeyView, ImportKeyView, ImportParametersView, KeySetView, PublicKeyView

api = [
    path("keys/import", ImportKeyView.as_view(), name="keys-import"),
    path("keys/import-parameters", ImportParametersView.as_view(), name="keys-import-parameters"),
    path("keys/<key:key_id>/public-key", PublicKeyView.as_view(), name="key-public-key"),
    path("keys/<key:key_id>/export", ExportKeyView.as_view(), name="key-export"),
    path("keys/<key:key_id>/jwks", KeySetView.as_view(), name="key-jwks"),
]
