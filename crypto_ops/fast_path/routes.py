"""The hot operations: one ``HotRoute`` registers an operation of the REST interface with the fast path."""

from functools import partial
from typing import Final

from crypto_ops import actions
from crypto_ops.encryption import wire
from crypto_ops.encryption.services import batches, messages
from crypto_ops.encryption.services.batches import DecryptBatch, EncryptBatch
from crypto_ops.fast_path.serving import HotRoute
from crypto_ops.items import wire as items_wire
from crypto_ops.items.services import AnyBatchResult
from crypto_ops.secrets import wire as secret_wire
from crypto_ops.secrets.services import data_keys, derivations, shared_secrets
from crypto_ops.signatures import wire as signature_wire
from crypto_ops.signatures.services import batches as proof_batches
from crypto_ops.signatures.services import jwts, macs, signatures
from crypto_ops.signatures.services.batches import Batch
from kernel.http.fast_path import HotRoutes


def _refused_of(result: AnyBatchResult) -> int:
    return result.refused


def _items_of(request: EncryptBatch | DecryptBatch | Batch) -> int:
    return len(request.items)


ROUTES: Final[HotRoutes] = {
    ("POST", "/api/v1/encrypt"): HotRoute(
        action=actions.MESSAGE_ENCRYPTED,
        body=wire.Encrypt,
        request=wire.encrypt_request,
        decide=messages.decide_encryption,
        write=wire.encrypted,
    ),
    ("POST", "/api/v1/decrypt"): HotRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.Decrypt,
        request=wire.decrypt_request,
        decide=messages.decide_decryption,
        write=wire.decrypted,
    ),
    ("POST", "/api/v1/sign"): HotRoute(
        action=actions.MESSAGE_SIGNED,
        body=signature_wire.Sign,
        request=signature_wire.sign_request,
        decide=signatures.decide_signature,
        write=signature_wire.signed,
    ),
    ("POST", "/api/v1/verify"): HotRoute(
        action=actions.SIGNATURE_VERIFIED,
        body=signature_wire.Verify,
        request=signature_wire.verify_request,
        decide=signatures.decide_verification,
        write=signature_wire.verified,
    ),
    ("POST", "/api/v1/jwt/sign"): HotRoute(
        action=actions.JWT_SIGNED,
        body=signature_wire.SignJwt,
        request=signature_wire.jwt_request,
        decide=jwts.decide_jwt,
        write=signature_wire.jwt_signed,
    ),
    ("POST", "/api/v1/mac"): HotRoute(
        action=actions.MAC_COMPUTED,
        body=signature_wire.ComputeMac,
        request=signature_wire.mac_request,
        decide=macs.decide_mac,
        write=signature_wire.mac_computed,
    ),
    ("POST", "/api/v1/mac/verify"): HotRoute(
        action=actions.MAC_VERIFIED,
        body=signature_wire.VerifyMac,
        request=signature_wire.verify_mac_request,
        decide=macs.decide_mac_verification,
        write=signature_wire.mac_verified,
    ),
    ("POST", "/api/v1/encapsulate"): HotRoute(
        action=actions.ENCAPSULATED,
        body=secret_wire.Encapsulate,
        request=secret_wire.encapsulate_request,
        decide=shared_secrets.decide_encapsulation,
        write=secret_wire.encapsulated,
    ),
    ("POST", "/api/v1/decapsulate"): HotRoute(
        action=actions.DECAPSULATED,
        body=secret_wire.Decapsulate,
        request=secret_wire.decapsulate_request,
        decide=shared_secrets.decide_decapsulation,
        write=secret_wire.shared,
    ),
    ("POST", "/api/v1/shared-secret"): HotRoute(
        action=actions.AGREED,
        body=secret_wire.Agree,
        request=secret_wire.agree_request,
        decide=shared_secrets.decide_agreement,
        write=secret_wire.shared,
    ),
    ("POST", "/api/v1/data-keys"): HotRoute(
        action=actions.DATA_KEY_GENERATED,
        body=secret_wire.GenerateDataKey,
        request=secret_wire.data_key_request,
        decide=data_keys.decide_data_key,
        write=secret_wire.generated,
    ),
    ("POST", "/api/v1/derive"): HotRoute(
        action=actions.KEY_DERIVED,
        body=secret_wire.Derive,
        request=secret_wire.derivation_request,
        decide=derivations.decide_derivation,
        write=secret_wire.derived,
    ),
    ("POST", "/api/v1/encrypt/batch"): HotRoute(
        action=actions.MESSAGE_ENCRYPTED,
        body=wire.EncryptBatch,
        request=wire.encrypt_batch,
        decide=batches.decide_encryptions,
        write=partial(items_wire.of_batch, member="ciphertext"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/decrypt/batch"): HotRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.DecryptBatch,
        request=wire.decrypt_batch,
        decide=batches.decide_decryptions,
        write=partial(items_wire.of_batch, member="data"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/sign/batch"): HotRoute(
        action=actions.MESSAGE_SIGNED,
        body=signature_wire.SignBatch,
        request=signature_wire.sign_batch,
        decide=proof_batches.decide_signatures,
        write=partial(items_wire.of_batch, member="signature", algorithm="signing_algorithm"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/verify/batch"): HotRoute(
        action=actions.SIGNATURE_VERIFIED,
        body=signature_wire.VerifyBatch,
        request=signature_wire.verify_batch,
        decide=proof_batches.decide_signature_verifications,
        write=partial(items_wire.of_batch, member="valid", algorithm="signing_algorithm"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/mac/batch"): HotRoute(
        action=actions.MAC_COMPUTED,
        body=signature_wire.MacBatch,
        request=signature_wire.mac_batch,
        decide=proof_batches.decide_macs,
        write=partial(items_wire.of_batch, member="mac"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/mac/verify/batch"): HotRoute(
        action=actions.MAC_VERIFIED,
        body=signature_wire.VerifyMacBatch,
        request=signature_wire.verify_mac_batch,
        decide=proof_batches.decide_mac_verifications,
        write=partial(items_wire.of_batch, member="valid"),
        count=_items_of,
        refused=_refused_of,
    ),
}
