"""Hashes and random bytes, which need no key."""

import re
from typing import Final

from django.http import HttpResponse
from msgspec import UNSET
from rest_framework.request import Request

from crypto_ops.actions import RANDOM_GENERATED
from crypto_ops.secrets.services.random_bytes import generate_random
from dialects.actions import HASH_COMPUTED
from dialects.vault import bodies
from dialects.vault.api.base import OfOperations, VaultView
from dialects.vault.api.signatures import DEFAULT_HASH, INPUT
from dialects.vault.base64 import decode
from dialects.vault.bodies import number, text
from kernel.crypto.encoding import encode_base64
from kernel.crypto.transit.signing import HASHES, digest
from kernel.errors import Invalid
from kernel.rules import Rule

_MAX_RANDOM: Final = 65_536
_SOURCES: Final = frozenset({"platform", "seal", "all"})


class HashView(VaultView):
    """A hash of a message, without a key."""

    rules = {"POST": Rule("crypto.random", HASH_COMPUTED)}

    def post(self, _request: Request, algorithm: str = "", **_named: str) -> HttpResponse:
        received = self.received(bodies.Hash)
        body = received.body
        if body.input is UNSET:
            raise Invalid("input missing")
        message = decode(text(body.input), error=INPUT)
        hash_algorithm = algorithm or text(body.algorithm) or DEFAULT_HASH
        if hash_algorithm not in HASHES:
            raise Invalid(f"unsupported algorithm {hash_algorithm[:20]}")
        form = text(body.format) or "hex"
        if form not in {"hex", "base64"}:
            raise Invalid(f'unsupported encoding format {form[:20]}; must be "hex" or "base64"')
        found = digest(message, hash_algorithm)
        encoded = found.hex() if form == "hex" else encode_base64(found)
        return self.answer({"sum": encoded}, warnings=received.warnings)


class RandomView(VaultView):
    """Random bytes. All sources are the generator of the operating system."""

    authentication_classes = [OfOperations]
    rules = {"POST": Rule("crypto.random", RANDOM_GENERATED)}

    def post(self, _request: Request, source: str = "", size: str = "", **_named: str) -> HttpResponse:
        received = self.received(bodies.Random)
        body = received.body
        if source and source not in _SOURCES and not size:
            source, size = "", source
        source = source or text(body.source) or "platform"
        wanted = _size_of(size) if size else 32 if body.bytes is UNSET else number(body.bytes)
        if wanted < 1:
            raise Invalid("'bytes' cannot be less than 1")
        if wanted > _MAX_RANDOM:
            raise Invalid(f"'bytes' should be at most {_MAX_RANDOM}")
        form = text(body.format) or "base64"
        if form not in {"hex", "base64"}:
            raise Invalid(f'unsupported encoding format "{form[:20]}"; must be "hex" or "base64"')
        if source not in _SOURCES:
            raise Invalid(
                f'unsupported entropy source "{source[:20]}"; must be "platform" or "seal", or "all"'
            )
        octets = generate_random(wanted, self.principal)
        encoded = octets.hex() if form == "hex" else encode_base64(octets)
        return self.answer({"random_bytes": encoded}, warnings=received.warnings)


def _size_of(size: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", size, re.ASCII):
        raise Invalid(
            f'error parsing url-set byte count: strconv.Atoi: parsing "{size[:20]}": invalid syntax'
        )
    return int(size)
