from django.urls import path

from crypto_ops.signatures import api as views

api = [
    path("sign", views.SignView.as_view(), name="sign"),
    path("verify", views.VerifyView.as_view(), name="verify"),
    path("mac", views.MacView.as_view(), name="mac"),
    path("mac/verify", views.VerifyMacView.as_view(), name="mac-verify"),
    path("sign/batch", views.SignBatchView.as_view(), name="sign-batch"),
    path("verify/batch", views.VerifyBatchView.as_view(), name="verify-batch"),
    path("mac/batch", views.MacBatchView.as_view(), name="mac-batch"),
    path("mac/verify/batch", views.VerifyMacBatchView.as_view(), name="mac-verify-batch"),
    path("jwt/sign", views.SignJwtView.as_view(), name="jwt-sign"),
    path("keys/<key:key_id>/csr", views.CsrView.as_view(), name="key-csr"),
]
