"""Published vectors of signatures, from the package ``cryptography-vectors``."""

from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kernel.crypto.algorithms import find_key_algorithm
from tests.crypto_ops.vectors.vector import (
    Case,
    Key,
    Vector,
    curve_key,
    public_key,
    seed_key,
    signing,
    verification,
)
from tests.kernel.crypto.vector_files import octets, read_lines, read_vectors

NOT_OFFERED = "the curve is not offered"
OTHER_HASH = "the hash function is not offered for the curve"
WEAK_HASH = "SHA-1 or SHA-224"
SMALL_RSA = "the modulus has less than 2048 bits"
CONTEXT = "a signature with a context"
CURVES = {
    "P-256": ("ec-p256", ec.SECP256R1()),
    "P-384": ("ec-p384", ec.SECP384R1()),
    "P-521": ("ec-p521", ec.SECP521R1()),
    "K-256": ("ec-secp256k1", ec.SECP256K1()),
}


def ed25519() -> Iterator[Case]:
    """Each as a signature, its verification, and the verification for another message."""
    for line in read_lines("asymmetric/Ed25519/sign.input"):
        seed, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        key = curve_key("ed25519", "Ed25519", public, d=seed[:32])
        yield signing(key, "ed25519", message, signed[:64])
        yield verification(key, "ed25519", message, signed[:64])
        yield verification(key, "ed25519", message + b"!", signed[:64], valid=False)


def ed448() -> Iterator[Case]:
    for r in read_vectors("asymmetric/Ed448/rfc8032.txt"):
        if r.get("context"):
            yield CONTEXT
            continue
        key = curve_key("ed448", "Ed448", octets(r["public"]), d=octets(r["secret"]))
        message, signature = octets(r.get("message", "")), octets(r["signature"])
        yield signing(key, "ed448", message, signature)
        yield verification(key, "ed448", message, signature)


def ecdsa_signatures() -> Iterator[Case]:
    yield from _ecdsa("asymmetric/ECDSA/FIPS_186-3/SigGen.txt", last="s")


def ecdsa_verifications() -> Iterator[Case]:
    yield from _ecdsa("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp", last="result")


def ecdsa_of_secp256k1() -> Iterator[Case]:
    yield from _ecdsa("asymmetric/ECDSA/SECP256K1/SigGen.txt", last="s")


def _ecdsa(path: str, *, last: str) -> Iterator[Case]:
    for section, r in _records(path, last=last):
        name, digest = section.split(",")
        mode = f"ecdsa-{digest.replace('SHA-', 'sha')}"
        if name not in CURVES:
            yield NOT_OFFERED
            continue
        algorithm, curve = CURVES[name]
        if mode not in find_key_algorithm(algorithm).modes:
            yield OTHER_HASH
            continue
        size = (curve.group_order.bit_length() + 7) // 8
        x, y, first, second = (int(r[part], 16) for part in ("qx", "qy", "r", "s"))
        key = public_key(algorithm, ec.EllipticCurvePublicNumbers(x, y, curve).public_key(), "sign")
        signature = first.to_bytes(size) + second.to_bytes(size)
        valid = r.get("result", "P").startswith("P")
        yield verification(key, mode, octets(r["msg"]), signature, valid=valid, encoding="raw")


def deterministic_ecdsa() -> Iterator[Case]:
    """RFC 6979: the signature itself is published."""
    keys: dict[str, Key] = {}
    for fields in _paragraphs("asymmetric/ECDSA/RFC6979/evppkey_ecdsa_rfc6979.txt"):
        if "PrivateKey" in fields:
            curve, _, pem = fields["PrivateKey"].partition("_PRIV")
            if curve in CURVES:
                keys[curve] = _private_key(CURVES[curve][0], curve, pem)
        for verb, made in (("DigestSign", signing), ("DigestVerify", verification)):
            if verb not in fields:
                continue
            curve = fields["Key"].partition("_")[0]
            mode = f"ecdsa-{fields[verb].lower()}"
            if curve not in CURVES:
                yield NOT_OFFERED
            elif mode not in find_key_algorithm(CURVES[curve][0]).modes:
                yield OTHER_HASH
            else:
                result = {"valid": False} if fields.get("Result") == "VERIFY_ERROR" else {}
                yield made(keys[curve], mode, octets(fields["Input"]), octets(fields["Output"]), **result)


def _paragraphs(path: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a test file of OpenSSL as fields. A key is its name and the lines of its PEM."""
    fields: dict[str, str] = {}
    for line in [*read_lines(path, keeps_empty=True), ""]:
        name, _, value = line.partition("=")
        if not line:
            yield fields
            fields = {}
        elif key := {"PrivateKey", "PublicKey"}.intersection(fields):
            fields[key.pop()] += f"\n{line}"
        else:
            fields[name.strip()] = value.strip()


def _private_key(algorithm: str, curve: str, pem: str) -> Key:
    private: Any = load_pem_private_key(pem.encode(), None)
    size = (private.curve.key_size + 7) // 8
    numbers = private.private_numbers()
    x, y = (value.to_bytes(size) for value in (numbers.public_numbers.x, numbers.public_numbers.y))
    return curve_key(algorithm, curve, x, y, numbers.private_value.to_bytes(size), "sign")


def rsa_pkcs1_signatures() -> Iterator[Case]:
    yield from _rsa("SigGen15_186-3.rsp", "pkcs1", last="s")


def rsa_pkcs1_verifications() -> Iterator[Case]:
    yield from _rsa("SigVer15_186-3.rsp", "pkcs1", last="result")


def rsa_pss_signatures() -> Iterator[Case]:
    """Their salts are empty. Ours have the length of the digest, so no signature of the file is valid here."""
    yield from _rsa("SigGenPSS_186-3.rsp", "pss", last="s", has_valid=False)


def rsa_pss_verifications() -> Iterator[Case]:
    """Their salts have ten bytes. Ours have the length of the digest, so no signature of the file is valid here."""
    yield from _rsa("SigVerPSS_186-3.rsp", "pss", last="result", has_valid=False)


def _rsa(file: str, scheme: str, *, last: str, has_valid: bool = True) -> Iterator[Case]:
    for section, r in _records(f"asymmetric/RSA/FIPS_186-2/{file}", last=last):
        size, digest = section.removeprefix("mod = "), r["shaalg"].lower()
        if int(size) < 2048:
            yield SMALL_RSA
        elif digest in {"sha1", "sha224"}:
            yield WEAK_HASH
        else:
            key = public_key(
                f"rsa-{size}", rsa.RSAPublicNumbers(int(r["e"], 16), int(r["n"], 16)).public_key(), "sign"
            )
            valid = has_valid and r.get("result", "P").startswith("P")
            yield verification(key, f"rsa-{scheme}-{digest}", octets(r["msg"]), octets(r["s"]), valid=valid)


def ml_dsa() -> Iterator[Case]:
    """The public key of each seed. The signatures have contexts; ours have none, so these are not valid here."""
    for level in ("44", "65", "87"):
        for r in read_vectors(f"asymmetric/MLDSA/kat_MLDSA_{level}_det_pure.rsp"):
            key = seed_key(f"ml-dsa-{level}", octets(r["xi"]), octets(r["pk"]))
            yield Vector(key, "public-key", {"pub": key.material["pub"]})
            message = octets(r["msg"])
            signature = octets(r["sm"])[: -len(message)]
            yield verification(key, f"ml-dsa-{level}", message, signature, valid=not r["ctx"])


def _records(path: str, *, last: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The records of a NIST file of signatures, which end with the field ``last``, with the name of their section."""
    section, record = "", {}
    for line in read_lines(path):
        if line.startswith("["):
            section, record = line.strip("[]"), {}
        elif " = " in line:
            name, value = line.split(" = ")
            record[name.lower()] = value
            if name.lower() == last:
                yield section, dict(record)
