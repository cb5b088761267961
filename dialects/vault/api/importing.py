"""Import of keys that the client wrapped: the wrapping key, new keys and new versions."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from django.http import HttpResponse
from rest_framework.request import Request

from dialects.errors import Refusal
from dialects.vault import base64, bodies
from dialects.vault.api.base import VaultView
from dialects.vault.api.keys import period_of
from dialects.vault.bodies import flag, present, text
from kernel.crypto.transit.wrapped import HASHES
from kernel.crypto.transit_types import TRANSIT_TYPES, TransitType
from kernel.errors import Conflict, Invalid
from kernel.rules import Rule
from keys import actions
from keys.transit.wrapped_keys import MAX_WRAPPED, WrappedKey, import_wrapped_key, import_wrapped_version
from keys.transport.services.import_parameters import get_import_parameters

_EXISTS: Final = "the import path cannot be used with an existing key; use import-version to rotate an existing imported key"
_SHA1: Final = "SHA1"


class WrappingKeyView(VaultView):
    """The public key under which the caller wraps what it imports."""

    rules = {"GET": Rule("keys.import", actions.IMPORT_PARAMETERS_CREATED)}

    def get(self, _request: Request, mount: str) -> HttpResponse:  # noqa: ARG002 - of all mounts
        found = get_import_parameters(principal=self.principal)
        return self.answer({"public_key": found.rsa_pem})


class ImportView(VaultView):
    """A new key."""

    rules = {"POST": Rule("keys.import", actions.KEY_IMPORTED)}

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        body = self.received(bodies.ImportKey).body
        kind = _kind_of(body)
        if present(body.allow_rotation) is False:
            raise Invalid("allow_rotation must be true: this server can rotate every key")
        period = period_of(body.auto_rotate_period) or timedelta(0)
        try:
            import_wrapped_key(
                principal=self.principal,
                mount=mount,
                name=name,
                kind=kind,
                content=_content_of(body),
                exportable=flag(body.exportable),
                allow_plaintext_backup=flag(body.allow_plaintext_backup),
                rotation_period=period,
            )
        except Conflict:
            raise Refusal(_EXISTS, HTTPStatus.BAD_REQUEST) from None
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class ImportVersionView(VaultView):
    """A new version of an imported key."""

    rules = {"POST": Rule("keys.import", actions.KEY_ROTATED)}

    def post(self, _request: Request, mount: str, name: str) -> HttpResponse:
        text_of_missing = f"no key found with name {name}; to import a new key, use the import/ endpoint"
        self.missing_key = (text_of_missing, HTTPStatus.BAD_REQUEST)  # type: ignore[misc]  # of this request
        body = self.received(bodies.ImportVersion).body
        if present(body.version) is not None:
            raise Invalid("version cannot be set: each import adds a version")
        key_id = self.key_id(mount, name)
        import_wrapped_version(principal=self.principal, key_id=key_id, content=_content_of(body))
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _kind_of(body: bodies.ImportKey) -> TransitType:
    """The type of the key. Raises Invalid, in OpenBao's words."""
    name = text(body.type) or "aes256-gcm96"
    kind = TRANSIT_TYPES.get(name)
    if kind is None:
        raise Invalid(f"unknown key type: {name[:40]}")
    is_convergent = flag(body.convergent_encryption)
    try:
        return kind.variant(is_derived=is_convergent or flag(body.derived), is_convergent=is_convergent)
    except ValueError:
        raise Invalid(f"key derivation not supported for keys of type {name}") from None


def _content_of(body: bodies.ImportVersion) -> WrappedKey:
    """The wrapped material. Raises Invalid."""
    if text(body.public_key):
        raise Invalid("public_key cannot be imported: send the private key as ciphertext")
    hash_name = text(body.hash_function).upper() or "SHA256"
    if hash_name == _SHA1:
        raise Invalid(f"hash_function SHA1 is not supported: use one of {', '.join(HASHES)}")
    if hash_name not in HASHES:
        raise Invalid(f"unknown hash function: {text(body.hash_function)[:40]}")
    if not text(body.ciphertext):
        raise Invalid("missing ciphertext: wrap the key with transit/wrapping_key")
    ciphertext = base64.decode(text(body.ciphertext))
    if len(ciphertext) > MAX_WRAPPED:
        raise Invalid(f"ciphertext has more than {MAX_WRAPPED} bytes")
    return WrappedKey(ciphertext, hash_name)
