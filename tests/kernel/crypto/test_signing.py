"""Signatures: altered input, and OpenSSL's command as an independent implementation.

The published vectors are in tests/crypto_ops/vectors. Those of ML-DSA have contexts, which our operations have not.
"""

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, Hash
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.asymmetric.signing import Signer, Verifier
from kernel.crypto.errors import Invalid, WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SIGNING_MODES
from tests.kernel.crypto.vector_files import octets, read_vectors

MESSAGE = b"the canary sings at four"
SIGNING = [kind for kind in KEY_ALGORITHMS if kind.purpose == "sign"]
PAIRS = {kind.name: key_pairs.generate(kind.name) for kind in SIGNING if not kind.name.startswith("rsa")}
# RSA keys take long to generate; these are the keys of the smallest size, generated once for all tests of a process.
PAIRS["rsa-3072"] = key_pairs.generate("rsa-3072")
CASES = [(kind.name, mode) for kind in SIGNING if kind.name in PAIRS for mode in kind.modes]
DIGESTS = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}


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


@pytest.mark.parametrize("level", ["44", "65", "87"])
def test_a_nist_ml_dsa_signature_with_a_context_is_invalid_in_our_mode(level):
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
        with pytest.raises(Invalid) as refusal:
            signer(algorithm, mode).sign(MESSAGE, is_digest=True)
        assert set(refusal.value.fields) == {"digest"}
        return
    signature = signer(algorithm, mode).sign(digest_of(mode), is_digest=True)
    assert verifier(algorithm, mode).is_valid(MESSAGE, signature)
    assert verifier(algorithm, mode).is_valid(digest_of(mode), signature, is_digest=True)


def test_ecdsa_is_deterministic_and_its_encodings_do_not_mix():
    sign, check = signer("ec-p256", "ecdsa-sha256").sign, verifier("ec-p256", "ecdsa-sha256").is_valid
    assert sign(MESSAGE) == sign(MESSAGE)
    assert not check(MESSAGE, sign(MESSAGE), encoding="raw")
    assert not check(MESSAGE, sign(MESSAGE, encoding="raw"))


def test_a_raw_signature_has_one_length():
    raw = signer("ec-p256", "ecdsa-sha256").sign(MESSAGE, encoding="raw")
    same_numbers = b"\0" + raw[:32] + b"\0" + raw[32:]
    check = verifier("ec-p256", "ecdsa-sha256").is_valid
    assert check(MESSAGE, raw, encoding="raw")
    assert not check(MESSAGE, same_numbers, encoding="raw")


def test_a_mode_with_one_encoding_has_it_under_both_names():
    signature = signer("ed25519", "ed25519").sign(MESSAGE, encoding="raw")
    assert signature == signer("ed25519", "ed25519").sign(MESSAGE)
    assert verifier("ed25519", "ed25519").is_valid(MESSAGE, signature, encoding="raw")


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
