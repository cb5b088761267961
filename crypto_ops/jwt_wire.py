"""msgspec types for JWTs on the fast path, as strict as those of ``wire``."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from crypto_ops.jwts import JwtRequest, SignedJwt, header_of, payload_of
from crypto_ops.wire import KeyText, RequestBody, of_key
from kernel.crypto.modes import find_signing_mode
from kernel.errors import Invalid
from kernel.http import strict_json
from keys import references


class SignJwt(RequestBody, frozen=True):
    """``claims`` and ``header`` are undecoded: only ``strict_json`` is as strict as the REST interface."""

    key_id: KeyText
    claims: msgspec.Raw
    header: msgspec.Raw | UnsetType = UNSET
    signing_algorithm: str | UnsetType = UNSET
    fully_specified: bool | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        texts = 4 + 4 * (self.signing_algorithm is not UNSET) + 2 * (self.fully_specified is not UNSET)
        objects = [each for each in (self.claims, self.header) if each is not UNSET]
        return texts + sum(2 + bytes(each).count(b'"') for each in objects)


def jwt_request(message: SignJwt) -> JwtRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    return JwtRequest(
        key_id=references.parse(message.key_id),
        payload=payload_of(_object_of(message.claims)),
        header={} if message.header is UNSET else header_of(_object_of(message.header)),
        mode=None if message.signing_algorithm is UNSET else find_signing_mode(message.signing_algorithm),
        fully_specified=message.fully_specified is True,
    )


def _object_of(raw: msgspec.Raw) -> dict[str, Any]:
    # As a member, because the nesting of the body is limited.
    body: Any = strict_json.loads(b'{"member":' + bytes(raw) + b"}")
    found = body["member"]
    if not isinstance(found, dict):
        raise Invalid("Expected an object.")
    return found


def signed(result: SignedJwt, _message: SignJwt) -> bytes:
    return of_key(result, "signing_algorithm", jwt=result.jwt, kid=result.kid)
