"""Certificate signing requests: PKCS #10 (RFC 2986), for certificate authorities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.crypto.asymmetric.certificates import general_name
from kernel.crypto.asymmetric.key_pairs import PrivateKey
from kernel.crypto.asymmetric.signing import rsa_padding
from kernel.crypto.errors import Invalid
from kernel.crypto.material import Confidential
from kernel.crypto.modes import DIGESTS, SigningMode


@dataclass(frozen=True, slots=True)
class RequestedNames:
    """The subject of a certificate, and its other names."""

    subject: x509.Name
    others: Sequence[x509.GeneralName]

    @classmethod
    def parse(cls, subject: str, san: Sequence[str]) -> Self:
        """``subject``: a name as text (RFC 4514). ``san``: as for ``general_name``. Raises Invalid."""
        return cls(_parse_subject(subject), [_parse_name(text) for text in san])

    @property
    def text(self) -> str:
        """The subject (RFC 4514)."""
        return self.subject.rfc4514_string()


@final
class CsrSigner(Confidential):
    """A private key in one mode, ready to use. Threads may share it."""

    __slots__ = ("_key", "_mode")

    def __init__(self, key: PrivateKey, mode: SigningMode) -> None:
        self._key: Any = key
        self._mode = mode

    def sign(self, names: RequestedNames) -> str:
        """The request in PEM (RFC 7468 §7)."""
        builder = x509.CertificateSigningRequestBuilder(names.subject)
        if names.others:
            builder = builder.add_extension(x509.SubjectAlternativeName(names.others), critical=False)
        try:
            request = builder.sign(self._key, **_scheme(self._mode))
        except ValueError:  # only now does the library encode each value as the type of its attribute
            raise Invalid.of_field(
                "subject", "An attribute contains characters that it cannot have."
            ) from None
        return request.public_bytes(Encoding.PEM).decode("ascii")


def _scheme(mode: SigningMode) -> dict[str, Any]:
    """The arguments of the library for the mode, as in ``signing``."""
    if mode.digest is None:
        return {"algorithm": None}
    digest = DIGESTS[mode.digest]
    if mode.has_raw_form:
        return {"algorithm": digest, "ecdsa_deterministic": True}
    return {"algorithm": digest, "rsa_padding": rsa_padding(mode, digest)}


def _parse_subject(text: str) -> x509.Name:
    try:
        subject = x509.Name.from_rfc4514_string(text)
    except ValueError:
        subject = x509.Name([])
    # The library also decodes escapes of control characters.
    if not list(subject) or not all(str(attribute.value).isprintable() for attribute in subject):
        raise Invalid.of_field(
            "subject", "Expected an RFC 4514 name, such as CN=www.example.org,O=Example,C=DE."
        )
    return subject


def _parse_name(text: str) -> x509.GeneralName:
    try:
        return general_name(text)
    except ValueError:
        raise Invalid.of_field(
            "san", "Expected DNS names, IP addresses, e-mail addresses or URIs, in ASCII."
        ) from None
