"""Self-signed TLS certificates (X.509, RFC 5280), for a trial without a certificate authority."""

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAYS: Final = 3650

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL})*"
# RFC 3986 §2 and RFC 5321 §4.1.2 (without quotes) have these characters.
_NAMES: Final = (
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-Z\[\]_a-z~%]+"), x509.UniformResourceIdentifier),
    (re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_HOST}"), x509.RFC822Name),
    (re.compile(rf"(?:\*\.)?{_HOST}"), x509.DNSName),
)


def self_signed(names: Sequence[str], *, now: datetime) -> tuple[bytes, bytes]:
    """A P-256 certificate for the host names and IP addresses, and its private key; both in PEM, the key in PKCS#8.

    It is valid for ten years from ``now``. The first name is the subject. Raises ValueError for an invalid name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def general_name(text: str) -> x509.GeneralName:
    """An IP address, a URI (with a colon), an e-mail address (with an @), or otherwise a DNS name, in ASCII.

    The first label of a DNS name may be ``*``. Raises ValueError.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _other_name(text)
    if "%" in text:
        raise ValueError("a certificate has no zone of an address (RFC 4007 §11)")
    return x509.IPAddress(address)


def _other_name(text: str) -> x509.GeneralName:
    for pattern, kind in _NAMES:
        if pattern.fullmatch(text):
            return kind(text)
    raise ValueError("not a name of a certificate")
