"""The hash functions of signatures and MACs (FIPS 180-4)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives import hashes

from kernel.crypto.modes import Digest

DIGESTS: Final[Mapping[Digest, hashes.HashAlgorithm]] = MappingProxyType(
    {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
)
