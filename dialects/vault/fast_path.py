"""Frequent operations with one message on the fast path.

It takes the requests that clients usually send, whose token is in ``X-Vault-Token``. Django handles the others: batches,
members that are unknown or of other types, other headers.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, override

import msgspec
from msgspec import UNSET, Struct, UnsetType

from crypto_ops import actions
from crypto_ops.deciding.wire import RequestBody
from crypto_ops.fast_path.serving import FastRoute
from crypto_ops.transit.items import (
    ComputingMac,
    Signing,
    TransitItem,
    Verifying,
    VerifyingMac,
)
from crypto_ops.transit.services.operations import TransitRequest, TransitResults
from dialects.vault import paths, responses
from dialects.vault.api import messages, signatures
from dialects.vault.bodies import number
from kernel.errors import DomainError
from kernel.http.fast_path import FastResponse, HeadForm
from keys.references import transit_reference

_PREFIX: Final = "/v1/"
_METHODS: Final = frozenset({"POST", "PUT"})
_PATH: Final = re.compile(
    rf"{paths.MOUNT}/(encrypt|decrypt|sign|verify|hmac)/{paths.NAME}{paths.ALGORITHM}",
    re.ASCII,
)
_MAX_ROUTES: Final = 4096
_LONGEST: Final = 300  # characters of a path; the cached routes of any callers stay small
_HEAD: Final = HeadForm(
    token=b"x-vault-token",
    scheme=b"",
    media_types=frozenset({b"application/json", b"application/x-www-form-urlencoded", None}),
    passed_on=frozenset({b"authorization", b"x-vault-namespace", b"x-vault-wrap-ttl"}),
)

type _Text = str | UnsetType


class _Encrypt(RequestBody, frozen=True):
    plaintext: str
    context: _Text = UNSET
    associated_data: _Text = UNSET
    key_version: int | UnsetType = UNSET


class _Decrypt(RequestBody, frozen=True):
    ciphertext: str
    context: _Text = UNSET
    associated_data: _Text = UNSET


class _Signatures(RequestBody, frozen=True):
    input: str
    signature: _Text = UNSET
    hmac: _Text = UNSET
    context: _Text = UNSET
    key_version: int | UnsetType = UNSET
    hash_algorithm: _Text = UNSET
    algorithm: _Text = UNSET
    signature_algorithm: _Text = UNSET
    marshaling_algorithm: _Text = UNSET
    salt_length: _Text = UNSET
    prehashed: bool | UnsetType = UNSET


class _Hmac(RequestBody, frozen=True):
    input: str
    key_version: int | UnsetType = UNSET
    algorithm: _Text = UNSET


class _Operation(Struct, frozen=True):
    """``item``: of a body and the hash algorithm in the path. ``members``: of a response."""

    action: str
    decode: Callable[[bytes], Any]
    item: Callable[[Any, str], TransitItem]
    members: Callable[[TransitResults, Any, str], dict[str, object]]


class _Route(FastRoute[Any, TransitResults]):
    head = _HEAD

    def __init__(self, operation: _Operation, reference: str, algorithm: str) -> None:
        request = partial(_request, operation, reference, algorithm)
        super().__init__(operation.action, operation.decode, request, partial(_write, operation, algorithm))

    @override
    def refusal(self, error: DomainError, request_id: str, *headers: tuple[bytes, bytes]) -> FastResponse:
        return responses.fast_refusal(error, request_id, *headers)


def find(method: str, path: str) -> FastRoute[Any, Any] | None:
    """The route of a path with the name of a key."""
    if method not in _METHODS or len(path) > _LONGEST or not path.startswith(_PREFIX):
        return None
    return _find(path[len(_PREFIX) :])


# Because clients use the same few names. It has texts that any caller sent, and nothing about keys.
@lru_cache(_MAX_ROUTES)
def _find(rest: str) -> _Route | None:
    found = _PATH.fullmatch(rest)
    if found is None:
        return None
    mount, operation, name, algorithm = found.groups(default="")
    if algorithm and operation in {"encrypt", "decrypt"}:
        return None
    return _Route(_OPERATIONS[operation], transit_reference(mount, name), algorithm)


def _request(operation: _Operation, reference: str, algorithm: str, body: Any) -> TransitRequest:
    item = operation.item(body, algorithm)
    return TransitRequest(key_id=reference, kind=type(item), items=[item])


def _write(operation: _Operation, algorithm: str, found: TransitResults, body: Any, request_id: str) -> bytes:
    return responses.answer_body(request_id, operation.members(found, body, algorithm))


def _signing(body: Any, algorithm: str) -> Signing:
    return signatures.signing_of(body, signatures.form_of(body, algorithm), number(body.key_version))


def _verifying(body: Any, algorithm: str) -> Verifying | VerifyingMac:
    verifies_mac = signatures.verifies_mac_of(body, None)
    return signatures.verifier_of(body, algorithm, verifies_mac=verifies_mac)(body)


def _computing(body: Any, algorithm: str) -> ComputingMac:
    return signatures.computing_of(body, signatures.mac_hash_of(body, algorithm), number(body.key_version))


def _decoder(body: type[RequestBody]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(body).decode


_OPERATIONS: Final = {
    "encrypt": _Operation(
        actions.MESSAGE_ENCRYPTED,
        _decoder(_Encrypt),
        lambda body, _: messages.sealing_of(body),
        lambda found, _body, _algorithm: messages.sealed_members(found.only),
    ),
    "decrypt": _Operation(
        actions.MESSAGE_DECRYPTED,
        _decoder(_Decrypt),
        lambda body, _: messages.opening_of(body),
        lambda found, _body, _algorithm: messages.opened_members(found.only),
    ),
    "sign": _Operation(
        actions.MESSAGE_SIGNED,
        _decoder(_Signatures),
        _signing,
        lambda found, body, algorithm: signatures.signature_members(
            found.only, signatures.form_of(body, algorithm)
        ),
    ),
    "verify": _Operation(
        actions.SIGNATURE_VERIFIED,
        _decoder(_Signatures),
        _verifying,
        lambda found, _body, _algorithm: {"valid": bool(found.only.is_valid)},
    ),
    "hmac": _Operation(
        actions.MAC_COMPUTED,
        _decoder(_Hmac),
        _computing,
        lambda found, _body, _algorithm: signatures.mac_members(found.only),
    ),
}
