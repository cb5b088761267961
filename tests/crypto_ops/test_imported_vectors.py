"""Published vectors through the import and the operations of the REST interface.

A few of each file. The whole files run against the primitives in tests/kernel/crypto. The vectors that the product
refuses are counted here by reason.
"""

import base64
import subprocess
from collections import Counter
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.encoding import encode_base64url
from tests.kernel.crypto.vector_files import octets, read_lines, read_vectors
from tests.personas import b64

CURVES = {"P-256": ("ec-p256", ec.SECP256R1()), "P-384": ("ec-p384", ec.SECP384R1()), "P-521": ("ec-p521", ec.SECP521R1())}  # fmt: skip


def imported(bench, algorithm, form, material, **fields):
    body = {"name": f"vector-{uuid4().hex[:8]}", "algorithm": algorithm, "format": form, "material": material}
    answer = bench.persona.api.post("/api/v1/keys/import", body | fields)
    assert answer.status == 201, answer.json
    return answer.json["id"]


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def is_valid(bench, key_id, mode, message, signature, **fields):
    body = {"key_id": key_id, "signing_algorithm": mode, "message": b64(message), "signature": b64(signature)}
    answer = bench.persona.api.post("/api/v1/verify", body | fields)
    assert answer.status == 200, answer.json
    return answer.json["valid"]


def public_members(bench, key_id):
    return bench.persona.api.get(f"/api/v1/keys/{key_id}/public-key").json["jwk"]


def records_of(path, *, last="result"):
    """The records of a NIST file of signatures, with the name of their section."""
    section, record = "", {}
    for line in read_lines(path):
        if line.startswith("["):
            section, record = line.strip("[]"), {}
        elif " = " in line:
            name, value = line.split(" = ")
            record[name.lower()] = value
            if name.lower() == last:
                yield section, dict(record)


# --- MACs


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_hmac_of_rfc_4231(bench, digest):
    """All vectors, with keys of 4 to 131 bytes. Those of MD5, SHA-1, SHA-224 and RIPEMD-160 have no algorithm here."""
    vectors = read_vectors(f"HMAC/rfc-4231-{digest}.txt", first="len")
    assert len(vectors) == 6
    for vector in vectors:
        key_id = imported(bench, f"hmac-{digest}", "raw", b64(octets(vector["key"])))
        body = {"key_id": key_id, "message": b64(octets(vector["msg"]))}
        computed = bench.persona.api.post("/api/v1/mac", body).json["mac"]
        assert computed == b64(octets(vector["md"]))
        verified = bench.persona.api.post("/api/v1/mac/verify", body | {"mac": computed})
        assert verified.json["valid"] is True


# --- signatures


def test_ed25519_of_rfc_8032(bench):
    for line in read_lines("asymmetric/Ed25519/sign.input")[::256]:
        seed, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(public)}
        verifying = imported(bench, "ed25519", "jwk", jwk)
        assert is_valid(bench, verifying, "ed25519", message, signed[:64])
        assert not is_valid(bench, verifying, "ed25519", message + b"!", signed[:64])
        signing = imported(bench, "ed25519", "jwk", jwk | {"d": encode_base64url(seed[:32])})
        body = {"key_id": signing, "signing_algorithm": "ed25519", "message": b64(message)}
        assert bench.persona.api.post("/api/v1/sign", body).json["signature"] == b64(signed[:64])


def test_ed448_of_rfc_8032(bench):
    records = [r for r in read_vectors("asymmetric/Ed448/rfc8032.txt") if not r.get("context")]
    for r in records[::4]:
        public = ed448.Ed448PrivateKey.from_private_bytes(octets(r["secret"])).public_key()
        key_id = imported(bench, "ed448", "public", b64(spki(public)))
        assert is_valid(bench, key_id, "ed448", octets(r.get("message", "")), octets(r["signature"]))


def ecdsa_records():
    """The file's records by the reason why the product has no mode for them, or by curve and mode."""
    for section, r in records_of("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp"):
        curve, digest = section.split(",")
        if curve not in CURVES:
            yield "a curve that is not offered", r
        elif (mode := f"ecdsa-{digest.replace('SHA-', 'sha')}") not in find_key_algorithm(
            CURVES[curve][0]
        ).modes:
            yield "a hash function weaker than the curve", r
        else:
            yield (curve, mode), r


def test_ecdsa_of_fips_186_3(bench):
    seen, counts = set(), Counter()
    for kind, r in ecdsa_records():
        is_good = r["result"].startswith("P")
        counts[kind if isinstance(kind, str) else "offered"] += 1
        if isinstance(kind, str) or (kind, is_good) in seen:
            continue
        seen.add((kind, is_good))
        (name, curve), mode = CURVES[kind[0]], kind[1]
        public = ec.EllipticCurvePublicNumbers(int(r["qx"], 16), int(r["qy"], 16), curve).public_key()
        size = (curve.group_order.bit_length() + 7) // 8
        signature = int(r["r"], 16).to_bytes(size) + int(r["s"], 16).to_bytes(size)
        key_id = imported(bench, name, "public", b64(spki(public)))
        assert is_valid(bench, key_id, mode, octets(r["msg"]), signature, encoding="raw") is is_good
    assert len(seen) == 12  # one good and one bad signature of each mode
    assert counts == {
        "offered": 90,
        "a curve that is not offered": 900,
        "a hash function weaker than the curve": 135,
    }


def rsa_records():
    """As ``ecdsa_records``, for PKCS #1 v1.5."""
    for section, r in records_of("asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp"):
        size, digest = section.removeprefix("mod = "), r["shaalg"].lower()
        if int(size) < 2048:
            yield "a modulus below 2048 bits", r
        elif digest in {"sha1", "sha224"}:
            yield "SHA-1 or SHA-224", r
        else:
            yield (f"rsa-{size}", f"rsa-pkcs1-{digest}"), r


def rsa_document(r):
    return spki(rsa.RSAPublicNumbers(int(r["e"], 16), int(r["n"], 16)).public_key())


def test_rsa_of_fips_186_3(bench):
    seen, counts = set(), Counter()
    for kind, r in rsa_records():
        is_good = r["result"].startswith("P")
        counts[kind if isinstance(kind, str) else "offered"] += 1
        if isinstance(kind, str) or (kind, is_good) in seen:
            continue
        seen.add((kind, is_good))
        key_id = imported(bench, kind[0], "public", b64(rsa_document(r)), purpose="sign")
        assert is_valid(bench, key_id, kind[1], octets(r["msg"]), octets(r["s"])) is is_good
    assert Counter(name for (name, _), _ in seen) == {"rsa-2048": 6, "rsa-3072": 6, "rsa-4096": 6}
    assert counts == {"offered": 162, "a modulus below 2048 bits": 180, "SHA-1 or SHA-224": 108}


@pytest.mark.parametrize("level", ["44", "65", "87"])
def test_ml_dsa_of_nist(bench, level):
    """The public key belongs to the seed. All signatures have a context; ours have none, so they are not valid."""
    records = read_vectors(f"asymmetric/MLDSA/kat_MLDSA_{level}_det_pure.rsp")
    for r in records[::50]:
        jwk = {
            "kty": "AKP",
            "pub": encode_base64url(octets(r["pk"])),
            "priv": encode_base64url(octets(r["xi"])),
        }
        key_id = imported(bench, f"ml-dsa-{level}", "jwk", jwk)
        assert public_members(bench, key_id)["pub"] == jwk["pub"]
        message, mode = octets(r["msg"]), f"ml-dsa-{level}"
        assert not is_valid(bench, key_id, mode, message, octets(r["sm"])[: -len(message)])
        private = getattr(mldsa, f"MLDSA{level}PrivateKey").from_seed_bytes(octets(r["xi"]))
        assert is_valid(bench, key_id, mode, message, private.sign(message))


@pytest.mark.parametrize("level", ["768", "1024"])
def test_ml_kem_of_nist(bench, level):
    """The public key belongs to the seed, d then z."""
    for r in read_vectors(f"asymmetric/MLKEM/kat_MLKEM_{level}.rsp")[::50]:
        jwk = {
            "kty": "AKP",
            "pub": encode_base64url(octets(r["pk"])),
            "priv": encode_base64url(octets(r["d"]) + octets(r["z"])),
        }
        key_id = imported(bench, f"ml-kem-{level}", "jwk", jwk)
        assert public_members(bench, key_id)["pub"] == jwk["pub"]


# --- OpenSSL

PSS = ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest", "-digest", "sha256"]


@pytest.mark.parametrize(
    ("algorithm", "mode", "making", "signing"),
    [
        ("ec-p256", "ecdsa-sha256", ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["-digest", "sha256"]),
        ("rsa-2048", "rsa-pss-sha256", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], PSS),
        ("rsa-3072", "rsa-pss-sha256", ["RSA", "-pkeyopt", "rsa_keygen_bits:3072"], PSS),
        ("ed25519", "ed25519", ["ED25519"], []),
    ],
)
def test_a_key_of_openssl_signs_there_and_here(bench, tmp_path, algorithm, mode, making, signing):
    key, message, signature = (tmp_path / name for name in ("key.pem", "message", "signature"))
    message.write_bytes(b"the canary sings at four")
    openssl("genpkey", "-algorithm", *making, "-out", key)
    common = ["-inkey", key, "-rawin", "-in", message, *signing]
    openssl("pkeyutl", "-sign", "-out", signature, *common)
    key_id = imported(bench, algorithm, "pem", key.read_text(), purpose="sign")
    assert is_valid(bench, key_id, mode, message.read_bytes(), signature.read_bytes())
    body = {"key_id": key_id, "signing_algorithm": mode, "message": b64(message.read_bytes())}
    ours = bench.persona.api.post("/api/v1/sign", body)
    if algorithm == "rsa-2048":
        assert ours.code == "key_cannot_protect"
        return
    signature.write_bytes(base64.b64decode(ours.json["signature"]))
    openssl("pkeyutl", "-verify", "-sigfile", signature, *common)


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
