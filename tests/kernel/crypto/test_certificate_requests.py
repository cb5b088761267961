"""Certificate signing requests, verified by OpenSSL and by the library."""

import subprocess

import pytest
from cryptography import x509

from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.asymmetric.certificate_requests import CsrSigner, RequestedNames
from kernel.crypto.errors import Invalid
from kernel.crypto.modes import SIGNING_MODES

# RSA keys take long to generate; both sizes use the same code.
CASES = [
    (kind.name, mode)
    for kind in KEY_ALGORITHMS
    if kind.purpose == "sign" and kind.name != "rsa-4096"
    for mode in kind.modes
]
SAN = [
    "www.example.org",
    "*.example.org",
    "192.0.2.1",
    "2001:db8::1",
    "ada@example.org",
    "spiffe://example.org/a",
]


@pytest.fixture(scope="module")
def pairs():
    return {name: key_pairs.generate(name) for name in dict.fromkeys(name for name, _ in CASES)}


@pytest.mark.parametrize(("algorithm", "mode"), CASES)
def test_openssl_verifies_a_request_of_every_mode(pairs, tmp_path, algorithm, mode):
    material, public = pairs[algorithm]
    signer = CsrSigner(key_pairs.load_private(algorithm, material), SIGNING_MODES[mode])
    path = tmp_path / "request.pem"
    path.write_text(signer.sign(RequestedNames.parse("CN=www.example.org,O=Example", SAN)))
    command = ["openssl", "req", "-in", path, "-verify", "-noout", "-subject", "-pubkey"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "verify OK" in done.stdout + done.stderr
    assert key_pairs.encode_pem(public) in done.stdout
    assert "subject=O=Example, CN=www.example.org" in done.stdout.replace(" = ", "=")


def test_each_name_has_its_type(pairs):
    signer = CsrSigner(key_pairs.load_private("ed25519", pairs["ed25519"][0]), SIGNING_MODES["ed25519"])
    pem = signer.sign(RequestedNames.parse("CN=a", SAN))
    request = x509.load_pem_x509_csr(pem.encode())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kinds = [x509.DNSName, x509.DNSName, x509.IPAddress, x509.IPAddress, x509.RFC822Name]
    assert [type(name) for name in names] == [*kinds, x509.UniformResourceIdentifier]
    assert [str(name.value) for name in names] == SAN
    without = x509.load_pem_x509_csr(signer.sign(RequestedNames.parse("CN=a", [])).encode())
    assert list(without.extensions) == []
    assert [extension.critical for extension in request.extensions] == [False]


def test_equal_requests_have_equal_signatures(pairs):
    """Deterministic ECDSA (RFC 6979) needs no random number, whose repetition would expose the key."""
    key = key_pairs.load_private("ec-p256", pairs["ec-p256"][0])
    signer = CsrSigner(key, SIGNING_MODES["ecdsa-sha256"])
    names = RequestedNames.parse("CN=a", [])
    assert signer.sign(names) == signer.sign(names)
    assert names.text == "CN=a"


SUBJECTS = [
    "",
    "www.example.org",
    "CN=",
    "CN=a, O=b",
    "C=Germany",
    "CN=" + "a" * 65,
    "CN=a\\0Ab",
    "CN=a,O=b\\0A",
    "X=a",
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_another_subject_is_invalid(subject):
    with pytest.raises(Invalid) as refusal:
        RequestedNames.parse(subject, [])
    assert set(refusal.value.fields) == {"subject"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "fe80::1%eth0",
        "a b",
        "a..b",
        "-a.org",
        "é.org",
        "a.*.org",
        "@example.org",
        "a@",
        "https://é",
        "x:",
        ":a",
        "a" * 64,
    ],
)
def test_another_name_is_invalid(name):
    with pytest.raises(Invalid) as refusal:
        RequestedNames.parse("CN=a", [name])
    assert set(refusal.value.fields) == {"san"}
