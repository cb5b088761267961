"""The hot operations: one ``HotRoute`` registers an operation of the REST interface with the fast path."""

from functools import partial
from typing import Final

from crypto_ops import actions
from crypto_ops.encryption import wire
from crypto_ops.fast_path.serving import HotBatchRoute, HotRoute
from crypto_ops.items import wire as items_wire
from crypto_ops.secrets import wire as secret_wire
from crypto_ops.signatures import wire as signature_wire
from kernel.http.fast_path import HotRoutes

ROUTES: Final[HotRoutes] = {
    ("POST", "/api/v1/encrypt"): HotRoute(
        action=actions.MESSAGE_ENCRYPTED,
        body=wire.Encrypt,
        request=wire.encrypt_request,
        write=wire.encrypted,
    ),
    ("POST", "/api/v1/decrypt"): HotRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.Decrypt,
        request=wire.decrypt_request,
        write=wire.decrypted,
    ),
    ("POST", "/api/v1/sign"): HotRoute(
        action=actions.MESSAGE_SIGNED,
        body=signature_wire.Sign,
        request=signature_wire.sign_request,
        write=signature_wire.signed,
    ),
    ("POST", "/api/v1/verify"): HotRoute(
        action=actions.SIGNATURE_VERIFIED,
        body=signature_wire.Verify,
        request=signature_wire.verify_request,
        write=signature_wire.verified,
    ),
    ("POST", "/api/v1/jwt/sign"): HotRoute(
        action=actions.JWT_SIGNED,
        body=signature_wire.SignJwt,
        request=signature_wire.jwt_request,
        write=signature_wire.jwt_signed,
    ),
    ("POST", "/api/v1/mac"): HotRoute(
        action=actions.MAC_COMPUTED,
        body=signature_wire.Mac,
        request=signature_wire.mac_request,
        write=signature_wire.mac_computed,
    ),
    ("POST", "/api/v1/mac/verify"): HotRoute(
        action=actions.MAC_VERIFIED,
        body=signature_wire.VerifyMac,
        request=signature_wire.verify_mac_request,
        write=signature_wire.mac_verified,
    ),
    ("POST", "/api/v1/encapsulate"): HotRoute(
        action=actions.ENCAPSULATED,
        body=secret_wire.Encapsulate,
        request=secret_wire.encapsulate_request,
        write=secret_wire.encapsulated,
    ),
    ("POST", "/api/v1/decapsulate"): HotRoute(
        action=actions.DECAPSULATED,
        body=secret_wire.Decapsulate,
        request=secret_wire.decapsulate_request,
        write=secret_wire.shared,
    ),
    ("POST", "/api/v1/shared-secret"): HotRoute(
        action=actions.AGREED,
        body=secret_wire.Agree,
        request=secret_wire.agree_request,
        write=secret_wire.shared,
    ),
    ("POST", "/api/v1/data-keys"): HotRoute(
        action=actions.DATA_KEY_GENERATED,
        body=secret_wire.DataKey,
        request=secret_wire.data_key_request,
        write=secret_wire.generated,
    ),
    ("POST", "/api/v1/derive"): HotRoute(
        action=actions.KEY_DERIVED,
        body=secret_wire.Derive,
        request=secret_wire.derivation_request,
        write=secret_wire.derived,
    ),
    ("POST", "/api/v1/encrypt/batch"): HotBatchRoute(
        action=actions.MESSAGE_ENCRYPTED,
        body=wire.EncryptBatch,
        request=wire.encrypt_batch,
        write=partial(items_wire.of_batch, member="ciphertext"),
    ),
    ("POST", "/api/v1/decrypt/batch"): HotBatchRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.DecryptBatch,
        request=wire.decrypt_batch,
        write=partial(items_wire.of_batch, member="data"),
    ),
    ("POST", "/api/v1/sign/batch"): HotBatchRoute(
        action=actions.MESSAGE_SIGNED,
        body=signature_wire.SignBatch,
        request=signature_wire.sign_batch,
        write=partial(items_wire.of_batch, member="signature", algorithm="signing_algorithm"),
    ),
    ("POST", "/api/v1/verify/batch"): HotBatchRoute(
        action=actions.SIGNATURE_VERIFIED,
        body=signature_wire.VerifyBatch,
        request=signature_wire.verify_batch,
        write=partial(items_wire.of_batch, member="valid", algorithm="signing_algorithm"),
    ),
    ("POST", "/api/v1/mac/batch"): HotBatchRoute(
        action=actions.MAC_COMPUTED,
        body=signature_wire.MacBatch,
        request=signature_wire.mac_batch,
        write=partial(items_wire.of_batch, member="mac"),
    ),
    ("POST", "/api/v1/mac/verify/batch"): HotBatchRoute(
        action=actions.MAC_VERIFIED,
        body=signature_wire.VerifyMacBatch,
        request=signature_wire.verify_mac_batch,
        write=partial(items_wire.of_batch, member="valid"),
    ),
}
