"""The hot operations: one ``HotRoute`` registers an operation of the REST interface with the fast path."""

from functools import partial
from typing import Final

from crypto_ops import (
    actions,
    batches,
    data_key_wire,
    data_keys,
    derivation_wire,
    derivations,
    engine,
    jwt_wire,
    jwts,
    mac_wire,
    macs,
    proof_batches,
    secret_wire,
    shared_secrets,
    signature_wire,
    signatures,
    wire,
)
from crypto_ops.batch_results import AnyBatchResult
from crypto_ops.batches import DecryptBatch, EncryptBatch
from crypto_ops.fast_path import HotRoute
from crypto_ops.proof_batches import Batch
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
        decide=engine.decide_encryption,
        write=wire.encrypted,
    ),
    ("POST", "/api/v1/decrypt"): HotRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.Decrypt,
        request=wire.decrypt_request,
        decide=engine.decide_decryption,
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
        body=jwt_wire.SignJwt,
        request=jwt_wire.jwt_request,
        decide=jwts.decide_jwt,
        write=jwt_wire.signed,
    ),
    ("POST", "/api/v1/mac"): HotRoute(
        action=actions.MAC_COMPUTED,
        body=mac_wire.ComputeMac,
        request=mac_wire.mac_request,
        decide=macs.decide_mac,
        write=mac_wire.computed,
    ),
    ("POST", "/api/v1/mac/verify"): HotRoute(
        action=actions.MAC_VERIFIED,
        body=mac_wire.VerifyMac,
        request=mac_wire.verify_mac_request,
        decide=macs.decide_mac_verification,
        write=mac_wire.verified,
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
        body=data_key_wire.GenerateDataKey,
        request=data_key_wire.data_key_request,
        decide=data_keys.decide_data_key,
        write=data_key_wire.generated,
    ),
    ("POST", "/api/v1/derive"): HotRoute(
        action=actions.KEY_DERIVED,
        body=derivation_wire.Derive,
        request=derivation_wire.derivation_request,
        decide=derivations.decide_derivation,
        write=derivation_wire.derived,
    ),
    ("POST", "/api/v1/encrypt/batch"): HotRoute(
        action=actions.MESSAGE_ENCRYPTED,
        body=wire.EncryptBatch,
        request=wire.encrypt_batch,
        decide=batches.decide_encryptions,
        write=partial(wire.of_batch, member="ciphertext"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/decrypt/batch"): HotRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.DecryptBatch,
        request=wire.decrypt_batch,
        decide=batches.decide_decryptions,
        write=partial(wire.of_batch, member="data"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/sign/batch"): HotRoute(
        action=actions.MESSAGE_SIGNED,
        body=signature_wire.SignBatch,
        request=signature_wire.sign_batch,
        decide=proof_batches.decide_signatures,
        write=partial(wire.of_batch, member="signature", algorithm="signing_algorithm"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/verify/batch"): HotRoute(
        action=actions.SIGNATURE_VERIFIED,
        body=signature_wire.VerifyBatch,
        request=signature_wire.verify_batch,
        decide=proof_batches.decide_signature_verifications,
        write=partial(wire.of_batch, member="valid", algorithm="signing_algorithm"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/mac/batch"): HotRoute(
        action=actions.MAC_COMPUTED,
        body=mac_wire.MacBatch,
        request=mac_wire.mac_batch,
        decide=proof_batches.decide_macs,
        write=partial(wire.of_batch, member="mac"),
        count=_items_of,
        refused=_refused_of,
    ),
    ("POST", "/api/v1/mac/verify/batch"): HotRoute(
        action=actions.MAC_VERIFIED,
        body=mac_wire.VerifyMacBatch,
        request=mac_wire.verify_mac_batch,
        decide=proof_batches.decide_mac_verifications,
        write=partial(wire.of_batch, member="valid"),
        count=_items_of,
        refused=_refused_of,
    ),
}
