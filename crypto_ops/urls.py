from django.urls import path

from crypto_ops.algorithms import api as api_algorithms
from crypto_ops.encryption import api
from crypto_ops.files import api as files
from crypto_ops.files import views as files
from crypto_ops.reencryption import api as api_reencryptions
from crypto_ops.reencryption import api as reencryption_api
from crypto_ops.secrets import api as api_data_keys
from crypto_ops.secrets import api as api_derivations
from crypto_ops.secrets import api as api_secrets
from crypto_ops.signatures import api as api_csr
from crypto_ops.signatures import api as api_jwts
from crypto_ops.signatures import api as api_macs
from crypto_ops.signatures import api as api_proof_batches
from crypto_ops.signatures import api as api_signatures
from crypto_ops.streaming import api as api_streams
from crypto_ops.trying import views as trying
from crypto_ops.trying import views as using

urlpatterns = [
    path("encrypt", api.EncryptView.as_view(), name="encrypt"),
    path("decrypt", api.DecryptView.as_view(), name="decrypt"),
    path("encrypt/batch", api.EncryptBatchView.as_view(), name="encrypt-batch"),
    path("decrypt/batch", api.DecryptBatchView.as_view(), name="decrypt-batch"),
    path("reencrypt", reencryption_api.ReencryptView.as_view(), name="reencrypt"),
    path("reencryptions", api_reencryptions.ReencryptionListView.as_view(), name="reencryptions"),
    path(
        "reencryptions/<uuid:reencryption_id>",
        api_reencryptions.ReencryptionDetailView.as_view(),
        name="reencryption",
    ),
    path(
        "reencryptions/<uuid:reencryption_id>/pages",
        api_reencryptions.ReencryptionPageView.as_view(),
        name="reencryption-pages",
    ),
    path(
        "reencryptions/<uuid:reencryption_id>/complete",
        api_reencryptions.CompleteReencryptionView.as_view(),
        name="reencryption-complete",
    ),
    path(
        "reencryptions/<uuid:reencryption_id>/cancel",
        api_reencryptions.CancelReencryptionView.as_view(),
        name="reencryption-cancel",
    ),
    path("inspect", api.InspectView.as_view(), name="inspect"),
    path("stream/encrypt", api_streams.EncryptStreamView.as_view(), name="stream-encrypt"),
    path("stream/decrypt", api_streams.DecryptStreamView.as_view(), name="stream-decrypt"),
    path("files", files.FilesView.as_view(), name="files"),
    path("files/<uuid:file_id>", files.FileView.as_view(), name="file"),
    path("sign", api_signatures.SignView.as_view(), name="sign"),
    path("verify", api_signatures.VerifyView.as_view(), name="verify"),
    path("mac", api_macs.MacView.as_view(), name="mac"),
    path("mac/verify", api_macs.VerifyMacView.as_view(), name="mac-verify"),
    path("encapsulate", api_secrets.EncapsulateView.as_view(), name="encapsulate"),
    path("decapsulate", api_secrets.DecapsulateView.as_view(), name="decapsulate"),
    path("shared-secret", api_secrets.AgreeView.as_view(), name="shared-secret"),
    path("sign/batch", api_proof_batches.SignBatchView.as_view(), name="sign-batch"),
    path("verify/batch", api_proof_batches.VerifyBatchView.as_view(), name="verify-batch"),
    path("mac/batch", api_proof_batches.MacBatchView.as_view(), name="mac-batch"),
    path("mac/verify/batch", api_proof_batches.VerifyMacBatchView.as_view(), name="mac-verify-batch"),
    path("jwt/sign", api_jwts.SignJwtView.as_view(), name="jwt-sign"),
    path("data-keys", api_data_keys.DataKeyView.as_view(), name="data-keys"),
    path("derive", api_derivations.DeriveView.as_view(), name="derive"),
    path("random", api.RandomView.as_view(), name="random"),
    path("keys/<key:key_id>/csr", api_csr.CsrView.as_view(), name="key-csr"),
    path("algorithms", api_algorithms.AlgorithmsView.as_view(), name="algorithms"),
]


urlpatterns = [
    path("files/new/", files.NewFileView.as_view(), name="file-new"),
    path("files/upload/", files.UploadView.as_view(), name="file-upload"),
    path("files/<uuid:file_id>/content", files.FileContentView.as_view(), name="file-content"),
    path("keys/<slug:name>/try/", trying.TryView.as_view(), name="key-try"),
    path("keys/<slug:name>/use/", using.UseView.as_view(), name="key-use"),
]
