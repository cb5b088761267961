"""Published vectors of public-key encryption, MACs, key encapsulation and agreement."""

from collections.abc import Iterator
from typing import Any

import cryptography_vectors
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.crypto_ops.vectors.vector import Case, Expected, Key, Vector, curve_key, seed_key
from tests.kernel.crypto.vector_files import octets, read_lines, read_vectors
from tests.personas import b64

MACS = {
    "rfc-2202-md5": None,
    "rfc-2202-sha1": None,
    "rfc-2286-ripemd160": None,
    "rfc-4231-sha224": None,
    "rfc-4231-sha256": "hmac-sha256",
    "rfc-4231-sha384": "hmac-sha384",
    "rfc-4231-sha512": "hmac-sha512",
}
"""The algorithm of each file."""
CURVES = {"P-256": ("ec-p256", 32), "P-384": ("ec-p384", 48), "P-521": ("ec-p521", 66)}
# SubjectPublicKeyInfo before the uncompressed point (RFC 5480).
SPKI_HEADERS = {
    "P-256": "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
    "P-384": "3076301006072a8648ce3d020106052b8104002203620004",
    "P-521": "30819b301006072a8648ce3d020106052b810400230381860004",
}
X25519_HEADER = "302a300506032b656e032100"


def hmac() -> Iterator[Case]:
    for name, algorithm in MACS.items():
        for r in read_vectors(f"HMAC/{name}.txt", first="len"):
            if algorithm is None:
                yield "MD5, SHA-1, SHA-224 or RIPEMD-160"
                continue
            key = Key(algorithm, "raw", b64(octets(r["key"])))
            message, mac = {"message": b64(octets(r["msg"]))}, b64(octets(r["md"]))
            yield Vector(key, "mac", {"mac": mac}, message)
            yield Vector(key, "mac/verify", {"valid": True}, message | {"mac": mac})
            yield Vector(key, "mac/verify", {"valid": False}, {"message": b64(b"another"), "mac": mac})


def rsa_oaep() -> Iterator[Case]:
    for each in _oaep_records("asymmetric/RSA/oaep-custom/oaep-sha256-sha256.txt"):
        body = {
            "encrypted_data": b64(bytes.fromhex(each["Encryption"])),
            "algorithm": "rsa-oaep-sha256",
            "key_version": 1,
        }
        yield Vector(_rsa_key(each), "decrypt", {"data": b64(bytes.fromhex(each["Message"]))}, body)


def _oaep_records(path: str) -> Iterator[dict[str, str]]:
    """Pairs of a private key and its messages with their ciphertexts, as integers and bytes in hexadecimal digits."""
    fields, name = dict[str, str](), ""
    with cryptography_vectors.open_vector_file(path, "r") as lines:
        for line in map(str.strip, lines):
            if line.startswith("#"):
                name = line.strip("# :")
                if name.startswith(("OAEP Example", "====")) and "Encryption" in fields:
                    yield fields
                    fields = {
                        key: value for key, value in fields.items() if key not in {"Encryption", "Message"}
                    }
            elif line:
                fields[name] = line
    yield fields


def _rsa_key(fields: dict[str, str]) -> Key:
    names = "Prime 1", "Prime 2", "Exponent", "Prime exponent 1", "Prime exponent 2", "Coefficient"
    public = rsa.RSAPublicNumbers(int(fields["Public exponent"], 16), int(fields["Modulus"], 16))
    numbers = rsa.RSAPrivateNumbers(*(int(fields[name], 16) for name in names), public)
    return _pkcs8("rsa-2048", numbers.private_key(unsafe_skip_rsa_key_validation=True), "encrypt")


def _pkcs8(algorithm: str, key: Any, purpose: str | None = None) -> Key:
    document = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Key(algorithm, "pkcs8", b64(document), purpose)


def ml_kem() -> Iterator[Case]:
    """Each as a decapsulation, and as one of an altered ciphertext, which gives the secret of implicit rejection."""
    for level in ("512", "768", "1024"):
        for r in read_vectors(f"asymmetric/MLKEM/kat_MLKEM_{level}.rsp"):
            if level == "512":
                yield "ML-KEM-512"
                continue
            key = seed_key(f"ml-kem-{level}", octets(r["d"]) + octets(r["z"]), octets(r["pk"]))
            for ciphertext, secret in (("ct", "ss"), ("ct_n", "ss_n")):
                body = {"ciphertext": b64(octets(r[ciphertext])), "key_version": 1}
                response = {"shared_secret": b64(octets(r[secret]))}
                yield Vector(key, "decapsulate", response, body, variant=ciphertext)


def x25519_agreement() -> Iterator[Case]:
    for r in read_vectors("asymmetric/X25519/rfc7748.txt"):
        private = x25519.X25519PrivateKey.from_private_bytes(octets(r["input_scalar"]))
        body = {"public_key": b64(bytes.fromhex(X25519_HEADER) + octets(r["input_u"]))}
        secret = {"shared_secret": b64(octets(r["output_u"]))}
        yield Vector(_pkcs8("x25519", private), "shared-secret", secret, body)


def ecdh() -> Iterator[Case]:
    for role in ("init", "resp"):
        path = f"asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_{role}.fax"
        for name, r in _ecdh_records(path):
            yield _agreement(name, r) if name in CURVES else "the curve is not offered"
    for _ in read_vectors("asymmetric/ECDH/brainpool.txt"):
        yield "the curve is not offered"


def _agreement(name: str, r: dict[str, str]) -> Vector:
    algorithm, size = CURVES[name]
    names = "QsIUTx", "QsIUTy", "dsIUT", "QsCAVSx", "QsCAVSy"
    x, y, d, *point = (int(r[part], 16).to_bytes(size) for part in names)
    body = {"public_key": b64(bytes.fromhex(SPKI_HEADERS[name]) + b"".join(point))}
    key = curve_key(algorithm, name, x, y, d, "agree")
    return Vector(
        key, "shared-secret", {"shared_secret": b64(bytes.fromhex(r["Z"]))}, body, _EXPECTED[r["Result"][:4]]
    )


_EXPECTED = {
    "P (0": Expected.RESPONSE,
    "P (1": Expected.RESPONSE,
    "F (1": Expected.REFUSED,  # x of the other party's point is altered
    "F (2": Expected.REFUSED,  # y of it
    "F (5": Expected.NOT_IMPORTED,  # x of the own point
    "F (6": Expected.NOT_IMPORTED,  # y of it
    "F (7": Expected.NOT_IMPORTED,  # the own scalar
    "F (8": Expected.ANOTHER_RESPONSE,  # the secret
}


def _ecdh_records(path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The records of the file, with the name of their curve."""
    curves: dict[str, str] = {}
    parameters, record = "", dict[str, str]()
    for line in read_lines(path):
        name, _, value = line.partition(" = ")
        if line.startswith("[Curve"):
            curves[parameters] = line.strip("[]").partition(":")[2].strip()
        elif line.startswith("[E"):
            parameters = line[1:3]
        elif name == "COUNT":
            record = {}
        else:
            record[name] = value
        if name == "Result":
            yield curves[parameters], record
