"""Keys: create, read, list, rotate and configure."""

import re
from datetime import UTC, timedelta
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpResponse
from rest_framework.request import Request

from dialects.errors import Refusal
from dialects.vault import bodies
from dialects.vault.api.base import VaultView
from dialects.vault.bodies import flag, number, present, text
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.encoding import encode_base64
from kernel.crypto.transit_types import TRANSIT_TYPES, TransitType
from kernel.errors import Conflict, Invalid, NotFound
from kernel.rules import Rule
from keys import actions
from keys.models import KeyVersion
from keys.transit import services
from keys.transit.administration import delete_transit_key
from keys.transit.services import FoundTransitKey, TransitUpdate

_ROTATION: Final = "requested by a client of the transit engine"
_CURVES: Final = {"ecdsa-p256": "P-256", "ecdsa-p384": "P-384", "ecdsa-p521": "P-521"}
_ED25519_HEAD: Final = 12  # bytes of a SubjectPublicKeyInfo before the key (RFC 8410 §4)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHORT: Final = "auto rotate period must be 0 to disable or at least an hour"


class KeyView(VaultView):
    """One key. Creating a key that exists changes nothing."""

    rules = {
        "POST": Rule("keys.create", actions.KEY_CREATED),
        "GET": Rule("keys.read", actions.KEY_READ),
        "DELETE": Rule("vault.manage", actions.KEY_DELETION_SCHEDULED),
    }
    missing_key = ("", HTTPStatus.NOT_FOUND)

    def delete(self, _request: Request, mount: str, name: str) -> HttpResponse:
        text_of_missing = f"error deleting policy {name}: could not delete key; not found"
        self.missing_key = (text_of_missing, HTTPStatus.BAD_REQUEST)  # type: ignore[misc]  # of this request
        delete_transit_key(principal=self.principal, key_id=self.key_id(mount, name))
        return HttpResponse(status=HTTPStatus.NO_CONTENT)

    def get(self, _request: Request, mount: str, name: str) -> HttpResponse:
        return self.answer(members_of(self._find(mount, name)))

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        received = self.received(bodies.CreateKey)
        body = received.body
        period = period_of(body.auto_rotate_period) or timedelta(0)
        kind = _kind_of(body)
        warnings = list(received.warnings)
        try:
            found = self._find(mount, name)
        except NotFound:
            found = self._create(mount, name, kind, body, period)
        if found.key.owner != self.principal.identity:
            warnings.append("the key exists already, and another user or service account owns it")
        return self.answer(members_of(found), warnings=warnings)

    def _create(
        self, mount: str, name: str, kind: TransitType, body: bodies.CreateKey, period: timedelta
    ) -> FoundTransitKey:
        try:
            return services.create_transit_key(
                principal=self.principal,
                mount=mount,
                name=name,
                kind=kind,
                exportable=flag(body.exportable),
                allow_plaintext_backup=flag(body.allow_plaintext_backup),
                rotation_period=period,
            )
        except Conflict as conflict:
            try:
                return self._find(mount, name)  # another request has just created it
            except NotFound:
                raise conflict from None  # it is out of reach

    def _find(self, mount: str, name: str) -> FoundTransitKey:
        return services.find_transit_key(principal=self.principal, key_id=self.key_id(mount, name))


class KeyListView(VaultView):
    """The names of the keys in a mount."""

    rules = {"LIST": Rule("keys.read", actions.KEY_LISTED), "GET": Rule("keys.read", actions.KEY_LISTED)}

    def list(self, request: Request, mount: str) -> HttpResponse:
        names = services.list_transit_names(principal=self.principal, mount=mount)
        if not names:
            raise Refusal("", HTTPStatus.NOT_FOUND)
        after, limit = request.query_params.get("after", ""), request.query_params.get("limit", "")
        names = [name for name in names if name > after]
        most = int(limit) if re.fullmatch(r"[0-9]{1,9}", limit, re.ASCII) else 0
        return self.answer({"keys": names[:most] if most else names})

    def get(self, request: Request, mount: str) -> HttpResponse:
        if request.query_params.get("list") != "true":
            self.http_method_not_allowed(request)
        return self.list(request, mount)


class RotateView(VaultView):
    """A new version."""

    rules = {"POST": Rule("keys.rotate", actions.KEY_ROTATED)}
    missing_key = ("key not found", HTTPStatus.BAD_REQUEST)

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        received = self.received(bodies.Nothing)
        key_id = self.key_id(mount, name)
        found = services.rotate_transit_key(principal=self.principal, key_id=key_id, reason=_ROTATION)
        return self.answer(members_of(found), warnings=received.warnings)


class ConfigView(VaultView):
    """The settings of a key."""

    rules = {"POST": Rule("keys.update", actions.KEY_UPDATED)}

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        self.missing_key = (f"no existing key named {name} could be found", HTTPStatus.BAD_REQUEST)  # type: ignore[misc]  # of this request
        received = self.received(bodies.Configure)
        body, warnings = received.body, list(received.warnings)
        key_id = self.key_id(mount, name)
        changes: TransitUpdate = {}
        minimum = present(body.min_decryption_version)
        if minimum is not None:
            changes["min_decryption_version"] = minimum
            if minimum == 0:
                warnings.append(
                    "since Vault 0.3 (prior to the OpenBao fork), transit key numbering starts at 1; forcing minimum to 1"
                )
        if (least := present(body.min_encryption_version)) is not None:
            changes["min_encryption_version"] = least
        if (allowed := present(body.deletion_allowed)) is not None:
            changes["deletion_allowed"] = allowed
        if flag(body.allow_plaintext_backup):
            changes["allow_plaintext_backup"] = True
        if (period := period_of(body.auto_rotate_period)) is not None:
            changes["rotation_period"] = period
        if flag(body.exportable):
            changes["exportable"] = True
        found = services.configure_transit_key(principal=self.principal, key_id=key_id, changes=changes)
        return self.answer(members_of(found), warnings=warnings)


def _kind_of(body: bodies.CreateKey) -> TransitType:
    """The type of a new key. Raises Invalid, in OpenBao's words."""
    name = text(body.type) or "aes256-gcm96"
    kind = TRANSIT_TYPES.get(name)
    is_derived, is_convergent = flag(body.derived), flag(body.convergent_encryption)
    if is_convergent and not is_derived:
        raise Invalid("convergent encryption requires derivation to be enabled")
    if kind is None:
        raise Invalid(f"unknown key type {name[:40]}")
    size = number(body.key_size)
    if size and name != "hmac":
        raise Invalid(f"key_size is not valid for algorithm {name}")
    if name == "hmac" and size != kind.key_size // 8:
        # A rotation generates keys of this size.
        raise Invalid(f"the key_size of an HMAC key must be {kind.key_size // 8} bytes")
    try:
        return kind.variant(is_derived=is_derived, is_convergent=is_convergent)
    except ValueError:
        raise Invalid(
            f"key derivation and convergent encryption not supported for keys of type {name}"
        ) from None


def period_of(value: Any) -> timedelta | None:
    """A period in seconds, or with units, such as 24h or 1h30m. None if it was not sent. Raises Invalid."""
    sent = present(value)
    if sent is None:
        return None
    spelled = str(sent) or "0"
    if re.fullmatch(r"[0-9]{1,9}", spelled, re.ASCII):
        spelled += "s"
    if not re.fullmatch(r"([0-9]{1,9}[smhd])+", spelled, re.ASCII):
        raise Invalid('error converting input for field "auto_rotate_period": expected a duration')
    seconds = sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"([0-9]+)([smhd])", spelled))
    if 0 < seconds < 3600:  # noqa: PLR2004 - an hour
        raise Invalid(_SHORT)
    if seconds >= timedelta.max.total_seconds():  # a float, which is rounded up
        raise Invalid("auto rotate period is too long")
    return timedelta(seconds=seconds)


def members_of(found: FoundTransitKey) -> dict[str, object]:
    """A key as OpenBao describes it. Times are Unix seconds, or RFC 3339 for pairs."""
    key, transit, kind = found.key, found.transit, found.kind
    days = key.rotation_period_days or 0
    members: dict[str, object] = {
        "allow_plaintext_backup": transit.allow_plaintext_backup,
        "auto_rotate_period": days * 86_400,
        "deletion_allowed": not key.deletion_protection,
        "derived": kind.is_derived,
        "exportable": key.exportable,
        "imported_key": key.origin == "imported",
        "latest_version": key.primary_version,
        "min_available_version": found.min_available_version,
        "min_decryption_version": key.min_decryption_version,
        "min_encryption_version": transit.min_encryption_version,
        "name": transit.name,
        "soft_deleted": False,
        "supports_decryption": kind.encrypts,
        "supports_derivation": kind.derives,
        "supports_encryption": kind.encrypts,
        "supports_signing": kind.signs,
        "type": kind.name,
    }
    if members["imported_key"]:
        members["imported_key_allow_rotation"] = True
    if kind.is_derived:
        members |= {"convergent_encryption": kind.is_convergent, "kdf": "hkdf_sha256"}
    if kind.is_convergent:
        members["convergent_encryption_version"] = -1
    if kind.name == "hmac":
        return {**members, "key_size": kind.key_size // 8}
    return {**members, "keys": {str(row.version): _version(kind, row) for row in found.versions}}


def _version(kind: TransitType, row: KeyVersion) -> object:
    if not kind.is_asymmetric:
        return int(row.created_at.timestamp())
    document = b"" if row.public_key is None else bytes(row.public_key)
    if kind.name == "ed25519":
        public = encode_base64(document[_ED25519_HEAD:])
    else:
        public = key_pairs.encode_pem(document)
    created = row.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    name = _CURVES.get(kind.name, kind.name)
    return {"certificate_chain": "", "creation_time": created, "name": name, "public_key": public}
