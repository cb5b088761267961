import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from kernel.crypto.asymmetric.certificates import self_signed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_certificate_is_for_its_names_and_fits_its_key(tmp_path):
    certificate, key = self_signed(["keys.example.org", "127.0.0.1", "::1"], now=NOW)
    for name, content in (("certificate.pem", certificate), ("key.pem", key)):
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        tmp_path / "certificate.pem", tmp_path / "key.pem"
    )  # refuses a key that does not fit
    parsed = x509.load_pem_x509_certificate(certificate)
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["keys.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert [(type(each.value).__name__, each.critical) for each in parsed.extensions] == [
        ("SubjectAlternativeName", False),
        ("SubjectKeyIdentifier", False),
        ("BasicConstraints", True),
        ("ExtendedKeyUsage", False),
    ]
    assert not parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert parsed.not_valid_before_utc == NOW
    assert parsed.not_valid_after_utc - NOW == timedelta(days=3650)


@pytest.mark.parametrize("strict", [True, False])
def test_a_client_that_knows_the_certificate_accepts_it_for_its_names_alone(tmp_path, strict):
    certificate, key = self_signed(["localhost"], now=datetime.now(UTC) - timedelta(minutes=1))
    (tmp_path / "both.pem").write_bytes(certificate + key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "both.pem")
    client = ssl.create_default_context(cadata=certificate.decode())
    client.verify_flags = ssl.VERIFY_X509_STRICT if strict else ssl.VERIFY_DEFAULT
    shake_hands(server, client, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(server, client, "other.example.org")


def shake_hands(server, client, name):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(3):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert sides[0].version() == "TLSv1.3"
