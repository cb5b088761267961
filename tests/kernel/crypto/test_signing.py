"""Signatures: published vectors, OpenSSL's command as an independent implementation, and altered input."""

import subprocess
from collections import Counter

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, Hash
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kernel.crypto import key_pairs
from kernel.crypto.algorithms import KEY_ALGORITHMS, find_key_algorithm
from kernel.crypto.errors import Invalid, WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SIGNING_MODES
from kernel.crypto.signing import Signer, Verifier
from tests.kernel.crypto.vector_files import octets, read_lines, read_vectors

MESSAGE = b"the canary sings at four"
SIGNING = [kind for kind in KEY_ALGORITHMS if kind.purpose == "sign"]
PAIRS = {kind.name: key_pairs.generate(kind.name) for kind in SIGNING if not kind.name.startswith("rsa")}
# RSA keys take long to generate; these are the keys of the smallest size, generated once for all tests of a process.
PAIRS["rsa-3072"] = key_pairs.generate("rsa-3072")
CASES = [(kind.name, mode) for kind in SIGNING if kind.name in PAIRS for mode in kind.modes]
DIGESTS = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}
CURVES = {"P-256": "ec-p256", "P-384": "ec-p384", "P-521": "ec-p521"}


def signer(algorithm, mode):
    return Signer(key_pairs.load_private(algorithm, PAIRS[algorithm][0]), SIGNING_MODES[mode])


def verifier(algorithm, mode, document=None):
    key = key_pairs.load_public(algorithm, document or PAIRS[algorithm][1])
    return Verifier(key, SIGNING_MODES[mode])


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def digest_of(mode, message=MESSAGE):
    digest = Hash(DIGESTS[SIGNING_MODES[mode].digest])
    digest.update(message)
    return digest.finalize()


# --- published vectors


def test_ed25519_of_rfc_8032():
    lines = read_lines("asymmetric/Ed25519/sign.input")
    assert len(lines) == 1024
    for line in lines[::16]:
        seed, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        key = ed25519.Ed25519PrivateKey.from_private_bytes(seed[:32])
        signature = signed[:64]
        assert Signer(key, SIGNING_MODES["ed25519"]).sign(message) == signature
        document = spki(ed25519.Ed25519PublicKey.from_public_bytes(public))
        assert verifier("ed25519", "ed25519", document).is_valid(message, signature)


def test_ed448_of_rfc_8032():
    records = [r for r in read_vectors("asymmetric/Ed448/rfc8032.txt") if not r.get("context")]
    assert len(records) == 8
    for r in records:
        key = ed448.Ed448PrivateKey.from_private_bytes(octets(r["secret"]))
        signature, message = octets(r["signature"]), octets(r.get("message", ""))
        assert Signer(key, SIGNING_MODES["ed448"]).sign(message) == signature
        assert verifier("ed448", "ed448", spki(key.public_key())).is_valid(message, signature)


def test_ecdsa_of_fips_186_3():
    counts = {True: 0, False: 0}
    for curve, mode, r in ecdsa_records():
        public = ec.EllipticCurvePublicNumbers(
            int(r["qx"], 16), int(r["qy"], 16), curve_of(curve)
        ).public_key()
        size = (public.curve.group_order.bit_length() + 7) // 8
        signature = int(r["r"], 16).to_bytes(size) + int(r["s"], 16).to_bytes(size)
        is_good = r["result"].startswith("P")
        counts[is_good] += 1
        valid = verifier(CURVES[curve], mode, spki(public)).is_valid(
            octets(r["msg"]), signature, encoding="raw"
        )
        assert valid is is_good
    assert counts == {True: 18, False: 72}


def curve_of(name):
    return {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[name]


def ecdsa_records():
    """The records whose hash our policy allows for their curve; SHA-1, SHA-224 and weaker ones are not available."""
    section = None
    for line in read_lines("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp"):
        if line.startswith("["):
            section, record = line.strip("[]").split(","), {}
        elif " = " in line and section:
            name, value = line.split(" = ")
            record[name.lower()] = value
            mode = f"ecdsa-{section[-1].replace('SHA-', 'sha')}"
            if (
                name == "Result"
                and section[0] in CURVES
                and mode in find_key_algorithm(CURVES[section[0]]).modes
            ):
                yield section[0], mode, dict(record)


@pytest.mark.parametrize("size", ["3072", "4096"])
def test_rsa_of_fips_186_3(size):
    counts = Counter()
    for scheme, file in (("pkcs1", "SigVer15_186-3.rsp"), ("pss", "SigVerPSS_186-3.rsp")):
        for mode, r in rsa_records(file, size, scheme):
            public = rsa.RSAPublicNumbers(int(r["e"], 16), int(r["n"], 16)).public_key()
            valid = verifier(f"rsa-{size}", mode, spki(public)).is_valid(octets(r["msg"]), octets(r["s"]))
            # The salts of the PSS vectors have 10 bytes; ours are as long as the digest.
            assert valid is (r["result"].startswith("P") and scheme == "pkcs1")
            counts[scheme, valid] += 1
    assert counts == {("pkcs1", True): 9, ("pkcs1", False): 45, ("pss", False): 54}


def rsa_records(file, size, scheme):
    section, record = "", {}
    for line in read_lines(f"asymmetric/RSA/FIPS_186-2/{file}"):
        if line.startswith("["):
            section = line.strip("[]").split("= ")[1]
        elif " = " in line and section == size:
            name, value = line.split(" = ")
            record[name.lower()] = value
            mode = f"rsa-{scheme}-{record.get('shaalg', '').lower()}"
            if name == "Result" and mode in SIGNING_MODES:
                yield mode, dict(record)


@pytest.mark.parametrize("level", ["44", "65", "87"])
def test_ml_dsa_of_nist_has_contexts_which_ours_are_never_valid_for(level):
    kind = getattr(mldsa, f"MLDSA{level}PrivateKey")
    records = read_vectors(f"asymmetric/MLDSA/kat_MLDSA_{level}_det_pure.rsp")
    assert len(records) == 100
    for r in records[:10]:
        private = kind.from_seed_bytes(octets(r["xi"]))
        public, message, context = private.public_key(), octets(r["msg"]), octets(r["ctx"])
        assert public.public_bytes_raw() == octets(r["pk"])
        signature = octets(r["sm"])[: -len(message)]
        public.verify(signature, message, context)
        mode = SIGNING_MODES[f"ml-dsa-{level}"]
        assert not Verifier(public, mode).is_valid(message, signature)
        assert Verifier(public, mode).is_valid(message, Signer(private, mode).sign(message))


# --- every algorithm


@pytest.mark.parametrize(("algorithm", "mode"), CASES)
def test_a_signature_verifies_in_its_encoding_for_its_message_and_key_only(algorithm, mode):
    other = key_pairs.generate(algorithm)[1] if not algorithm.startswith("rsa") else None
    for encoding in ("der", "raw") if SIGNING_MODES[mode].has_raw_form else ("der",):
        signature = signer(algorithm, mode).sign(MESSAGE, encoding=encoding)
        check = verifier(algorithm, mode).is_valid
        assert check(MESSAGE, signature, encoding=encoding)
        assert not check(MESSAGE + b"!", signature, encoding=encoding)
        assert other is None or not verifier(algorithm, mode, other).is_valid(
            MESSAGE, signature, encoding=encoding
        )
        for altered in (b"", signature[:-1], signature + b"\0", bytes(len(signature)), b"\x30" * 9000):
            assert not check(MESSAGE, altered, encoding=encoding)
        for position in range(0, len(signature), max(1, len(signature) // 40)):
            flipped = signature[:position] + bytes([signature[position] ^ 1]) + signature[position + 1 :]
            assert not check(MESSAGE, flipped, encoding=encoding)


@pytest.mark.parametrize(("algorithm", "mode"), CASES)
def test_a_digest_signs_as_its_message_does(algorithm, mode):
    if SIGNING_MODES[mode].digest is None:
        with pytest.raises(Invalid):
            signer(algorithm, mode).sign(MESSAGE, is_digest=True)
        return
    signature = signer(algorithm, mode).sign(digest_of(mode), is_digest=True)
    assert verifier(algorithm, mode).is_valid(MESSAGE, signature)
    assert verifier(algorithm, mode).is_valid(digest_of(mode), signature, is_digest=True)


def test_ecdsa_is_deterministic_and_its_encodings_do_not_mix():
    sign, check = signer("ec-p256", "ecdsa-sha256").sign, verifier("ec-p256", "ecdsa-sha256").is_valid
    assert sign(MESSAGE) == sign(MESSAGE)
    assert not check(MESSAGE, sign(MESSAGE), encoding="raw")
    assert not check(MESSAGE, sign(MESSAGE, encoding="raw"))


# --- documents


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_document_of_another_type_is_refused(algorithm):
    other = next(name for name in PAIRS if name != algorithm)
    with pytest.raises(WrongKey):
        key_pairs.load_public(other, PAIRS[algorithm][1])
    with pytest.raises(WrongKey):
        key_pairs.load_private(other, PAIRS[algorithm][0])
    with pytest.raises(WrongKey):
        key_pairs.load_public(algorithm, PAIRS[algorithm][1] + b"\0")


def test_a_key_of_another_size_or_curve_is_refused():
    small = rsa.generate_private_key(65537, 2048).public_key()
    with pytest.raises(WrongKey):
        key_pairs.load_public("rsa-3072", spki(small))
    with pytest.raises(WrongKey):
        key_pairs.load_public("ec-p384", PAIRS["ec-p256"][1])
    private = ec.generate_private_key(ec.SECP256R1())
    document = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(WrongKey):
        key_pairs.load_private("ec-secp256k1", KeyMaterial(document))


# --- OpenSSL's command


@pytest.mark.parametrize(
    ("algorithm", "mode", "options"),
    [
        ("ed25519", "ed25519", []),
        ("ed448", "ed448", []),
        ("ec-p256", "ecdsa-sha256", ["-digest", "sha256"]),
        ("ec-p384", "ecdsa-sha384", ["-digest", "sha384"]),
        ("ec-p521", "ecdsa-sha512", ["-digest", "sha512"]),
        ("ec-secp256k1", "ecdsa-sha256", ["-digest", "sha256"]),
        ("rsa-3072", "rsa-pkcs1-sha256", ["-digest", "sha256"]),
        (
            "rsa-3072",
            "rsa-pss-sha512",
            ["-digest", "sha512", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"],
        ),
    ],
)
def test_openssl_verifies_ours_and_signs_for_us(tmp_path, algorithm, mode, options):
    private, public, message, signature = (tmp_path / n for n in ("private", "public.pem", "message", "sig"))
    private.write_bytes(PAIRS[algorithm][0].expose())
    public.write_text(key_pairs.encode_pem(PAIRS[algorithm][1]))
    message.write_bytes(MESSAGE)
    signature.write_bytes(signer(algorithm, mode).sign(MESSAGE))
    common = ["-rawin", "-in", str(message), *options]
    openssl("pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-sigfile", str(signature), *common)
    openssl("pkeyutl", "-sign", "-keyform", "DER", "-inkey", str(private), "-out", str(signature), *common)
    assert verifier(algorithm, mode).is_valid(MESSAGE, signature.read_bytes())


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_signatures_of_secp256k1_have_the_low_s():
    order = ec.SECP256K1().group_order
    for number in range(20):
        raw = signer("ec-secp256k1", "ecdsa-sha256").sign(bytes([number]), encoding="raw")
        assert int.from_bytes(raw[32:]) <= order // 2
        assert verifier("ec-secp256k1", "ecdsa-sha256").is_valid(bytes([number]), raw, encoding="raw")
