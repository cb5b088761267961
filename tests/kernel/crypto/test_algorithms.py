import ast
import dataclasses
import importlib
import pathlib
import types

import pytest

from kernel import crypto
from kernel.crypto import algorithms
from kernel.crypto.algorithms import (
    ALGORITHM_NAMES,
    KEY_ALGORITHMS,
    PURPOSES,
    find_key_algorithm,
    find_key_algorithms,
)
from kernel.crypto.errors import Invalid, UnsupportedAlgorithm
from kernel.crypto.modes import (
    AGREEMENT_MODES,
    KEM_MODES,
    MAC_MODES,
    SEALING_MODES,
    SIGNING_MODES,
    find_sealing_mode,
    find_signing_mode,
    mode_by_suite,
)
from kernel.crypto.sealing import aead
from tests.kernel.crypto.conftest import AEAD_MODES

ALLOWED_FROM_THE_LIBRARY = {
    # Only to open the tokens of other systems.
    "cryptography.fernet.Fernet",
    "cryptography.fernet.InvalidToken",
    # Only for transit keys, in the formats of OpenBao. SHA-1 in MACs only; ChaCha20 for XChaCha20-Poly1305.
    "cryptography.hazmat.primitives.asymmetric.ec.derive_private_key",
    "cryptography.hazmat.primitives.asymmetric.utils.NoDigestInfo",
    "cryptography.hazmat.primitives.ciphers.algorithms.ChaCha20",
    "cryptography.hazmat.primitives.hashes.SHA1",
    "cryptography.hazmat.primitives.hashes.SHA224",
    "cryptography.hazmat.primitives.hashes.SHA3_224",
    "cryptography.hazmat.primitives.hashes.SHA3_384",
    "cryptography.hazmat.primitives.hashes.SHA3_512",
    "cryptography.cobblestone.Cobblestone256Decryptor",
    "cryptography.cobblestone.Cobblestone256Encryptor",
    "cryptography.hazmat.primitives.asymmetric.ec.ECDSA",
    "cryptography.hazmat.primitives.asymmetric.ec.EllipticCurve",
    "cryptography.hazmat.primitives.asymmetric.ec.EllipticCurvePrivateKey",
    "cryptography.hazmat.primitives.asymmetric.ec.EllipticCurvePublicKey",
    "cryptography.hazmat.primitives.asymmetric.ec.SECP256K1",
    "cryptography.hazmat.primitives.asymmetric.ec.SECP256R1",
    "cryptography.hazmat.primitives.asymmetric.ec.SECP384R1",
    "cryptography.hazmat.primitives.asymmetric.ec.SECP521R1",
    "cryptography.hazmat.primitives.asymmetric.ec.generate_private_key",
    "cryptography.hazmat.primitives.asymmetric.ed448.Ed448PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.ed448.Ed448PublicKey",
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PublicKey",
    "cryptography.hazmat.primitives.asymmetric.mldsa.MLDSA44PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.mldsa.MLDSA44PublicKey",
    "cryptography.hazmat.primitives.asymmetric.mldsa.MLDSA65PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.mldsa.MLDSA65PublicKey",
    "cryptography.hazmat.primitives.asymmetric.mldsa.MLDSA87PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.mldsa.MLDSA87PublicKey",
    "cryptography.hazmat.primitives.asymmetric.ec.ECDH",
    "cryptography.hazmat.primitives.asymmetric.mlkem.MLKEM1024PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.mlkem.MLKEM1024PublicKey",
    "cryptography.hazmat.primitives.asymmetric.mlkem.MLKEM768PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.mlkem.MLKEM768PublicKey",
    "cryptography.hazmat.primitives.asymmetric.padding.MGF1",
    "cryptography.hazmat.primitives.asymmetric.padding.OAEP",
    "cryptography.hazmat.primitives.asymmetric.padding.PKCS1v15",  # of signatures only
    "cryptography.hazmat.primitives.asymmetric.padding.PSS",
    "cryptography.hazmat.primitives.asymmetric.rsa.RSAPrivateKey",
    "cryptography.hazmat.primitives.asymmetric.rsa.RSAPrivateNumbers",
    "cryptography.hazmat.primitives.asymmetric.rsa.RSAPublicKey",
    "cryptography.hazmat.primitives.asymmetric.rsa.RSAPublicNumbers",
    "cryptography.hazmat.primitives.asymmetric.rsa.generate_private_key",
    "cryptography.hazmat.primitives.asymmetric.utils.Prehashed",
    "cryptography.hazmat.primitives.asymmetric.utils.decode_dss_signature",
    "cryptography.hazmat.primitives.asymmetric.utils.encode_dss_signature",
    "cryptography.hazmat.primitives.asymmetric.x25519.X25519PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.x25519.X25519PublicKey",
    "cryptography.hazmat.primitives.ciphers.Cipher",
    "cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "cryptography.hazmat.primitives.ciphers.aead.AESGCMSIV",
    "cryptography.hazmat.primitives.ciphers.aead.AESSIV",
    "cryptography.hazmat.primitives.ciphers.aead.ChaCha20Poly1305",
    "cryptography.hazmat.primitives.ciphers.algorithms.AES",
    "cryptography.hazmat.primitives.ciphers.modes.CBC",
    "cryptography.hazmat.primitives.constant_time.bytes_eq",
    # what the expanded keys of ML-DSA and ML-KEM repeat of the seed
    "cryptography.hazmat.primitives.hashes.Hash",
    "cryptography.hazmat.primitives.hashes.SHA3_256",
    "cryptography.hazmat.primitives.hashes.SHAKE256",
    "cryptography.hazmat.primitives.hashes.SHA256",
    "cryptography.hazmat.primitives.hashes.HashAlgorithm",
    "cryptography.hazmat.primitives.hashes.SHA384",
    "cryptography.hazmat.primitives.hashes.SHA512",
    "cryptography.hazmat.primitives.hmac.HMAC",
    "cryptography.hazmat.primitives.hpke.AEAD",
    "cryptography.hazmat.primitives.hpke.KDF",
    "cryptography.hazmat.primitives.hpke.KEM",
    "cryptography.hazmat.primitives.hpke.MLKEM768X25519PrivateKey",
    "cryptography.hazmat.primitives.hpke.MLKEM768X25519PublicKey",
    "cryptography.hazmat.primitives.hpke.Suite",
    "cryptography.hazmat.primitives.kdf.hkdf.HKDF",
    "cryptography.hazmat.primitives.padding.PKCS7",
    "cryptography.hazmat.primitives.serialization.Encoding",
    "cryptography.hazmat.primitives.serialization.NoEncryption",
    "cryptography.hazmat.primitives.serialization.PrivateFormat",
    "cryptography.hazmat.primitives.serialization.PublicFormat",
    "cryptography.hazmat.primitives.serialization.load_der_private_key",
    "cryptography.hazmat.primitives.serialization.load_der_public_key",
    "cryptography.hazmat.primitives.serialization.load_pem_private_key",
    # RFC 5649, to wrap a key for another system.
    "cryptography.hazmat.primitives.keywrap.InvalidUnwrap",
    "cryptography.hazmat.primitives.keywrap.aes_key_unwrap_with_padding",
    "cryptography.hazmat.primitives.keywrap.aes_key_wrap_with_padding",
    # of self-signed certificates and of requests for certificates
    "cryptography.x509.BasicConstraints",
    "cryptography.x509.CertificateBuilder",
    "cryptography.x509.CertificateSigningRequestBuilder",
    "cryptography.x509.DNSName",
    "cryptography.x509.ExtendedKeyUsage",
    "cryptography.x509.GeneralName",
    "cryptography.x509.IPAddress",
    "cryptography.x509.Name",
    "cryptography.x509.NameAttribute",
    "cryptography.x509.RFC822Name",
    "cryptography.x509.SubjectAlternativeName",
    "cryptography.x509.SubjectKeyIdentifier",
    "cryptography.x509.UniformResourceIdentifier",
    "cryptography.x509.oid.ExtendedKeyUsageOID",
    "cryptography.x509.oid.NameOID",
    "cryptography.x509.random_serial_number",
}


def library_names(source):
    """Every name taken from ``cryptography`` except its exceptions; of an imported module, the used members."""
    tree = ast.parse(source)
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("cryptography"))
        if not isinstance(node, ast.ImportFrom) or not node.module.startswith("cryptography"):
            continue
        if node.module == "cryptography.exceptions":
            continue
        for alias in node.names:
            taken = getattr(importlib.import_module(node.module), alias.name)
            if isinstance(taken, types.ModuleType):
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            else:
                yield f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield f"{modules[node.value.id]}.{node.attr}"


def test_the_core_takes_only_allowed_algorithms_from_the_library():
    sources = list(pathlib.Path(crypto.__file__).parent.glob("**/*.py"))
    taken = {name for source in sources for name in library_names(source.read_text("utf-8"))}
    assert taken == ALLOWED_FROM_THE_LIBRARY


def test_the_scan_sees_a_forbidden_algorithm_in_every_spelling():
    assert list(library_names("import cryptography.hazmat.primitives.hashes as h"))
    assert list(library_names("from cryptography.hazmat.primitives import hashes as h\nh.MD5()")) == [
        "cryptography.hazmat.primitives.hashes.MD5"
    ]
    assert list(library_names("from cryptography.hazmat.primitives.hashes import SHA1")) == [
        "cryptography.hazmat.primitives.hashes.SHA1"
    ]


def test_every_mode_has_exactly_one_implementation():
    assert set(aead._AEADS) == {mode.name for mode in AEAD_MODES}


def test_key_algorithms_and_modes_name_each_other():
    modes = {
        "encrypt": SEALING_MODES,
        "sign": SIGNING_MODES,
        "mac": MAC_MODES,
        "encapsulate": KEM_MODES,
        "agree": AGREEMENT_MODES,
    }
    for purpose, table in modes.items():
        assert set(table) == {
            name for kind in KEY_ALGORITHMS if kind.purpose == purpose for name in kind.modes
        }
    for mode in SEALING_MODES.values():
        assert not mode.key_algorithm or mode.name in find_key_algorithm(mode.key_algorithm).modes
    assert set(PURPOSES) == set(modes)


def test_an_algorithm_with_several_purposes_has_at_most_one_by_default():
    for name in ALGORITHM_NAMES:
        assert sum(kind.is_default for kind in find_key_algorithms(name)) == (not name.startswith("rsa-"))
    assert find_key_algorithm("ec-p256").purpose == "sign"
    assert find_key_algorithm("ec-p256", "agree").modes == ("ecdh",)
    for purpose, message in (
        (None, "This field is required for rsa-3072: sign or encrypt."),
        ("mac", "Must be sign or encrypt for rsa-3072, or omit it."),
    ):
        with pytest.raises(Invalid) as refusal:
            find_key_algorithm("rsa-3072", purpose)
        assert refusal.value.fields == {"purpose": [message]}


def test_suites_and_sizes_are_those_of_the_ciphertext_format():
    shapes = {m.name: (m.suite, m.subkey_size, m.iv_size, m.tag_size) for m in SEALING_MODES.values()}
    assert shapes == {
        "aes-256-gcm": (1, 32, 12, 16),
        "aes-128-gcm": (2, 16, 12, 16),
        "aes-256-gcm-siv": (3, 32, 12, 16),
        "chacha20-poly1305": (4, 32, 12, 16),
        "aes-256-cbc-hmac-sha512": (5, 64, 16, 32),
        "aes-256-siv": (6, 64, 0, 16),
        "rsa-oaep-sha256": (16, 0, 0, 0),
        "hpke-x25519-ml-kem-768": (17, 0, 0, 0),
        "aes-128-gcm-raw": (0, 0, 12, 16),
        "aes-192-gcm-raw": (0, 0, 12, 16),
        "aes-256-gcm-raw": (0, 0, 12, 16),
        "fernet": (0, 0, 0, 0),
    }


def test_only_siv_is_deterministic_and_has_a_key_algorithm_to_itself():
    deterministic = [m.name for m in SEALING_MODES.values() if m.deterministic]
    assert deterministic == ["aes-256-siv"]
    assert find_key_algorithm("aes-256-siv").modes == ("aes-256-siv",)


def test_modes_with_random_96_bit_nonces_stop_short_of_two_to_the_32():
    limits = {m.name: m.invocation_limit for m in SEALING_MODES.values()}
    assert limits["aes-256-gcm"] == limits["aes-128-gcm"] == limits["chacha20-poly1305"] == 3_865_470_566
    assert limits["aes-256-cbc-hmac-sha512"] == 3_865_470_566
    assert limits["aes-256-gcm-siv"] is limits["aes-256-siv"] is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("aes-256", "aes-256"),
        ("aes-128", "aes-128"),
        ("chacha20", "chacha20"),
        ("aes-256-siv", "aes-256-siv"),
        ("aes-256-gcm", "aes-256"),
        ("aes-128-gcm", "aes-128"),
        ("chacha20-poly1305", "chacha20"),
    ],
)
def test_a_key_algorithm_is_found_by_its_name_and_by_its_mode(name, meant):
    assert find_key_algorithm(name) is find_key_algorithm(meant)


@pytest.mark.parametrize(
    "name", ["", "rc4", "blowfish", "aes-192", "aes-256-ecb", "aes-256-cbc", "AES-256", "aes-256-gcm-siv "]
)
def test_anything_else_is_refused_with_the_allowed_words_and_without_an_echo(name):
    with pytest.raises(UnsupportedAlgorithm) as key_refusal:
        find_key_algorithm(name)
    with pytest.raises(UnsupportedAlgorithm) as mode_refusal:
        find_sealing_mode(name)
    assert key_refusal.value.detail == f"Unknown key algorithm. Allowed: {', '.join(ALGORITHM_NAMES)}."
    assert mode_refusal.value.detail == f"Unknown mode. Allowed: {', '.join(SEALING_MODES)}."
    assert key_refusal.value.code == "unsupported_algorithm"


def test_a_key_algorithm_is_not_a_mode():
    with pytest.raises(UnsupportedAlgorithm):
        find_sealing_mode("aes-256")


def test_a_mode_is_found_by_name_and_by_suite(mode):
    assert find_sealing_mode(mode.name) is mode
    assert mode_by_suite(mode.suite) is mode


@pytest.mark.parametrize("suite", [0, 7, 0x20, 255, -1])
def test_an_unknown_suite_is_refused(suite):
    with pytest.raises(UnsupportedAlgorithm, match=r"Allowed: 1, 2, 3, 4, 5, 6, 16, 17\.") as refusal:
        mode_by_suite(suite)
    assert set(refusal.value.fields) == {"ciphertext"}


def test_a_signing_mode_is_found_by_its_name_alone():
    assert find_signing_mode("ed25519") is SIGNING_MODES["ed25519"]
    with pytest.raises(UnsupportedAlgorithm, match="Unknown signing algorithm") as refusal:
        find_signing_mode("aes-256-gcm")
    assert set(refusal.value.fields) == {"signing_algorithm"}


def test_a_slow_signature_is_one_of_rsa_or_ml_dsa():
    slow = [name for name, mode in SIGNING_MODES.items() if mode.is_slow]
    assert slow == [name for name in SIGNING_MODES if name.startswith(("rsa-", "ml-dsa-"))]
    assert {"rsa-pss-sha256", "ml-dsa-65"} <= {*slow}


def test_the_facts_of_an_algorithm_follow_from_its_rows():
    assert algorithms.modes_of("ec-p384") == ["ecdsa-sha384", "ecdsa-sha512", "ecdh"]
    assert [name for name in ALGORITHM_NAMES if algorithms.is_deterministic(name)] == ["aes-256-siv"]
    raw = {kind.name for kind in KEY_ALGORITHMS if not kind.has_document}
    assert raw == {kind.name for kind in KEY_ALGORITHMS if not kind.is_asymmetric} | {algorithms.HYBRID}


@pytest.mark.parametrize(
    "table", [algorithms._BY_NAME, SEALING_MODES, aead._AEADS], ids=["keys", "modes", "aeads"]
)
def test_the_tables_cannot_be_changed(table):
    name = next(iter(table))
    with pytest.raises(TypeError):
        table["rc4"] = table[name]
    with pytest.raises(TypeError):
        del table[name]
    assert not hasattr(table, "update")


@pytest.mark.parametrize(
    "row", [find_key_algorithm("aes-256"), SEALING_MODES["aes-256-gcm"]], ids=["key", "mode"]
)
def test_the_rows_cannot_be_changed(row):
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.name = "rc4"
    assert not hasattr(row, "__dict__")


def test_an_unsupported_algorithm_is_refused_by_the_field_that_names_it():
    with pytest.raises(UnsupportedAlgorithm) as refusal:
        find_key_algorithm("aes-512")
    assert set(refusal.value.fields) == {"algorithm"}
    assert UnsupportedAlgorithm("why").fields == {"key_id": ["why"]}
    assert UnsupportedAlgorithm("why", field=None).fields == {}
