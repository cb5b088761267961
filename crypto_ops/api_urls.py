from django.urls import path

from crypto_ops import api, api_algorithms, api_macs, api_secrets, api_signatures, api_streams

urlpatterns = [
    path("encrypt", api.EncryptView.as_view(), name="encrypt"),
    path("decrypt", api.DecryptView.as_view(), name="decrypt"),
    path("encrypt/batch", api.EncryptBatchView.as_view(), name="encrypt-batch"),
    path("decrypt/batch", api.DecryptBatchView.as_view(), name="decrypt-batch"),
    path("reencrypt", api.ReencryptView.as_view(), name="reencrypt"),
    path("inspect", api.InspectView.as_view(), name="inspect"),
    path("stream/encrypt", api_streams.EncryptStreamView.as_view(), name="stream-encrypt"),
    path("stream/decrypt", api_streams.DecryptStreamView.as_view(), name="stream-decrypt"),
    path("sign", api_signatures.SignView.as_view(), name="sign"),
    path("verify", api_signatures.VerifyView.as_view(), name="verify"),
    path("mac", api_macs.MacView.as_view(), name="mac"),
    path("mac/verify", api_macs.VerifyMacView.as_view(), name="mac-verify"),
    path("encapsulate", api_secrets.EncapsulateView.as_view(), name="encapsulate"),
    path("decapsulate", api_secrets.DecapsulateView.as_view(), name="decapsulate"),
    path("shared-secret", api_secrets.AgreeView.as_view(), name="shared-secret"),
    path("random", api.RandomView.as_view(), name="random"),
    path("algorithms", api_algorithms.AlgorithmsView.as_view(), name="algorithms"),
]
