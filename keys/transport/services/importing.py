"""Import of keys from other systems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypedDict, Unpack
from uuid import UUID

from accounts.principals import Principal
from kernel.crypto.algorithms import KeyAlgorithm, find_key_algorithm
from kernel.crypto.encoding import decode_base64
from kernel.crypto.errors import WrongKey
from kernel.crypto.sealing.foreign import FERNET
from kernel.crypto.transport import importing, key_transport, pem
from kernel.crypto.transport.importing import Parts, refused
from kernel.errors import Denied, Invalid
from kernel.http import strict_json
from kernel.rsa import process as rsa_process
from keys import actions
from keys.creation.services import draft_key, store_key
from keys.lifecycle import Origin, State, operations
from keys.models import Key
from keys.new_material import NewMaterial
from keys.transport.imported_jwk import from_jwk
from keys.transport.services.import_parameters import recipient_of

MAX_MATERIAL: Final = 8192  # bytes; an expanded ML-DSA-87 key has 5,000
MAX_TEXT: Final = 12_288  # characters: base64 of these bytes, or the lines of a PEM
MAX_VERSIONS: Final = 16  # as many as a decryption tries

type _Material = str | Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Material in one of ``FORMATS``, and the key that it becomes.

    ``material``: base64 of the bytes; for "pem" its text; for "jwk" its text or its members. ``versions``: several of
    them instead, the oldest first, of a key of another system.
    ``is_private_connection``: whether no one can read the connection on which it came.
    """

    name: str
    algorithm: str
    format: str
    is_private_connection: bool
    material: _Material | None = field(default=None, repr=False)
    versions: Sequence[_Material] = field(default=(), repr=False)
    purpose: str | None = None
    import_parameters_id: UUID | None = None


class ImportSettings(TypedDict, total=False):
    """As for ``create_key``."""

    description: str
    tags: Sequence[str]
    expires_at: datetime | None
    exportable: bool


def import_key(
    *,
    principal: Principal,
    request: ImportRequest,
    materials: Sequence[NewMaterial] = (),
    policy_id: UUID | None = None,
    **settings: Unpack[ImportSettings],
) -> Key:
    """Create a key from material of another system. It is active immediately.

    ``materials``: the result of an earlier ``read_materials``. Raises as it, and
    PolicyViolated, NameTaken.
    """
    principal.require("keys.import")
    key = draft_key(
        principal, find_key_algorithm(request.algorithm, request.purpose), name=request.name, **settings
    )
    materials = materials or read_materials(principal=principal, request=request)
    key.origin = Origin.PUBLIC_KEY if materials[0].material is None else Origin.IMPORTED
    if key.exportable and not key.has_private_key:
        raise Invalid.of_field("exportable", "There is no private key to export. Omit this field.")
    return store_key(
        principal,
        key,
        *materials,
        policy_id=policy_id,
        action=actions.KEY_IMPORTED,
        meta={"format": request.format, "origin": str(key.origin)},
    )


def read_materials(*, principal: Principal, request: ImportRequest) -> Sequence[NewMaterial]:
    """The checked material of each version. For RSA this takes a tenth of a second, so call it before any lock is taken.

    Raises Denied, also for plain material on a connection that others can read; Invalid, UnsupportedAlgorithm,
    Overloaded, Throttled.
    """
    principal.require("keys.import")
    kind = find_key_algorithm(request.algorithm, request.purpose)
    if request.format not in PROTECTED and not request.is_private_connection:
        raise Denied(
            "This server accepts plain key material only over https or from the same computer. "
            "Use https, or the format wrapped or hpke.",
            extra={"rule": "private_connection"},
        )
    _require_versions(request, kind)
    if request.versions:
        return [_read(principal, replace(request, material=each), kind) for each in request.versions]
    return [_read(principal, request, kind)]


def _require_versions(request: ImportRequest, kind: KeyAlgorithm) -> None:
    """Raises Invalid unless there is one material, or several of a key that may have them."""
    if request.material is None and not request.versions:
        raise Invalid.of_field("material", "This field is required.")
    if request.material is not None and request.versions:
        raise Invalid.of_field("versions", "Omit this field, or send it instead of material.")
    if len(request.versions) > MAX_VERSIONS:
        raise Invalid.of_field("versions", f"Send at most {MAX_VERSIONS} versions.")
    if len(request.versions) > 1 and not kind.is_foreign:
        raise Invalid.of_field("versions", f"A key of type {kind.name} is imported with one version.")


def _read(principal: Principal, request: ImportRequest, kind: KeyAlgorithm) -> NewMaterial:
    read = _READERS.get(request.format)
    if read is None:
        raise Invalid.of_field("format", f"Choose one of: {', '.join(FORMATS)}.")
    material, public_key = read(principal, request, kind)
    if material is None and not operations(
        kind.name, kind.purpose, State.ACTIVE, protects=kind.protects, has_private_key=False
    ):
        raise refused("A public key alone cannot be used for this purpose. Import the private key.")
    if material is not None and rsa_process.is_rsa(kind.name):
        try:
            rsa_process.check(kind.name, material, principal.identity)
        except WrongKey as error:
            raise refused(str(error)) from None
    return NewMaterial(kind.name, material, public_key)


def _octets(request: ImportRequest) -> bytes:
    return decode_base64(_text(request), field="material", max_bytes=MAX_MATERIAL)


def _document(request: ImportRequest) -> bytes:
    text = _text(request)
    if text.startswith("-----BEGIN"):
        raise refused("This is a PEM. Use the format pem.")
    return decode_base64(text, field="material", max_bytes=MAX_MATERIAL)


def _text(request: ImportRequest) -> str:
    if not isinstance(request.material, str):
        raise refused("Expected a string.")
    if len(request.material) > MAX_TEXT:
        raise refused(f"Must be at most {MAX_TEXT} characters.")
    return request.material


def _pkcs8(_principal: Principal, request: ImportRequest, kind: KeyAlgorithm) -> Parts:
    return importing.from_private_der(kind, _document(request))


def _pem(_principal: Principal, request: ImportRequest, kind: KeyAlgorithm) -> Parts:
    return importing.from_pem(kind, _text(request))


def _jwk(_principal: Principal, request: ImportRequest, kind: KeyAlgorithm) -> Parts:
    if not isinstance(request.material, str):
        return from_jwk(kind, request.material or {})
    try:
        members = strict_json.loads(_text(request).encode())
    except Invalid:
        members = None
    if not isinstance(members, dict):
        raise refused("Expected a JSON object.")
    return from_jwk(kind, members)


def _public(_principal: Principal, request: ImportRequest, kind: KeyAlgorithm) -> Parts:
    try:
        document = pem.read_public(_text(request), max_bytes=MAX_MATERIAL)
    except WrongKey as error:
        raise refused(str(error)) from None
    return importing.from_public_der(kind, document)


def _raw(_principal: Principal, request: ImportRequest, kind: KeyAlgorithm) -> Parts:
    if kind.modes == (FERNET.name,):  # Fernet writes its keys in base64url
        request = replace(request, material=_text(request).translate(_STANDARD))
    return importing.from_raw(kind, _octets(request))


def _wrapped(principal: Principal, request: ImportRequest, kind: KeyAlgorithm) -> Parts:
    recipient, wrapped = recipient_of(principal, request.import_parameters_id), _octets(request)
    try:
        if request.format == "hpke":
            octets = key_transport.unwrap_hpke(recipient, wrapped, request.name)
        else:
            octets = key_transport.unwrap_rsa(recipient, wrapped)
    except key_transport.TransportFailed:
        raise refused(
            "Cannot be unwrapped. It was altered, or wrapped for other import parameters, another name or in another form."
        ) from None
    return importing.from_transport(kind, octets)


_READERS: Final[Mapping[str, Callable[[Principal, ImportRequest, KeyAlgorithm], Parts]]] = MappingProxyType(
    {
        "wrapped": _wrapped,
        "hpke": _wrapped,
        "pkcs8": _pkcs8,
        "pem": _pem,
        "jwk": _jwk,
        "public": _public,
        "raw": _raw,
    }
)
_STANDARD: Final = str.maketrans("-_", "+/")
FORMATS: Final = tuple(_READERS)
PROTECTED: Final = frozenset({"wrapped", "hpke", "public"})
"""The formats that reveal nothing to a reader of the connection."""
