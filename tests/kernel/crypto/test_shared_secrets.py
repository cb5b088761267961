"""ML-KEM, ECDH and X25519."""

from collections import Counter

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.crypto import key_pairs
from kernel.crypto.agreement import Agreement
from kernel.crypto.errors import Invalid
from kernel.crypto.kem import Decapsulator, Encapsulator
from kernel.crypto.modes import KEM_MODES
from tests.kernel.crypto.vector_files import octets, read_vectors

# By the name of a parameter set of NIST.
CURVES = {
    "EC": ("ec-p256", ec.SECP256R1()),
    "ED": ("ec-p384", ec.SECP384R1()),
    "EE": ("ec-p521", ec.SECP521R1()),
}


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("name", "kind"), [("ml-kem-768", mlkem.MLKEM768PrivateKey), ("ml-kem-1024", mlkem.MLKEM1024PrivateKey)]
)
def test_ml_kem_of_the_known_answer_tests(name, kind):
    records = read_vectors(f"asymmetric/MLKEM/kat_MLKEM_{name[7:]}.rsp")
    for each in records:
        key = kind.from_seed_bytes(octets(each["d"]) + octets(each["z"]))
        assert key.public_key().public_bytes_raw() == octets(each["pk"])
        opener = Decapsulator(key, KEM_MODES[name])
        assert opener.decapsulate(octets(each["ct"])) == octets(each["ss"])
        assert opener.decapsulate(octets(each["ct_n"])) == octets(each["ss_n"])  # implicit rejection
    assert len(records) == 1000


@pytest.mark.parametrize("name", KEM_MODES)
def test_both_sides_get_the_secret_and_an_altered_ciphertext_gives_another(name):
    private, public = key_pairs.generate(name)
    secret, ciphertext = Encapsulator(key_pairs.load_public(name, public)).encapsulate()
    opener = Decapsulator(key_pairs.load_private(name, private), KEM_MODES[name])
    assert opener.decapsulate(ciphertext) == secret
    assert len(secret) == 32
    assert opener.decapsulate(bytes([ciphertext[0] ^ 1]) + ciphertext[1:]) != secret
    for wrong in (b"", ciphertext[:-1], ciphertext + b"\0"):
        with pytest.raises(Invalid, match=str(KEM_MODES[name].ciphertext_size)):
            opener.decapsulate(wrong)


def ecdh_records():
    """The records of the curves that we have, each as a dict with ``curve``."""
    curve, record = None, {}
    path = "asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax"
    with cryptography_vectors.open_vector_file(path, "r") as lines:
        for line in lines:
            name, _, value = line.strip().partition(" = ")
            if line.startswith("[E") and " - " in line:
                curve = CURVES.get(line[1:3])
            elif name == "COUNT":
                record = {"curve": curve}
            elif value:
                record[name] = value
            if name == "Result" and curve:
                yield record


def test_ecdh_of_the_nist_validity_tests():
    counts = Counter()
    for each in ecdh_records():
        algorithm, curve = each["curve"]
        x, y = int(each["QsCAVSx"], 16), int(each["QsCAVSy"], 16)
        try:
            private = ec.derive_private_key(int(each["dsIUT"], 16), curve)
            public = spki(ec.EllipticCurvePublicNumbers(x, y, curve).public_key())
        except ValueError:  # not a key of this curve
            counts[each["Result"][:5], None] += 1
            continue
        secret = Agreement(algorithm, private).agree(public)
        counts[each["Result"][:5], secret == octets(each["Z"])] += 1
    # The last part is whether the secret is that of the record, None if it has no key of the curve.
    assert counts == {
        ("F (1 ", None): 6,
        ("F (2 ", None): 6,
        ("F (5 ", False): 6,
        ("F (6 ", False): 6,
        ("F (7 ", None): 2,
        ("F (7 ", False): 4,
        ("F (8 ", False): 6,
        ("P (0 ", True): 48,
        ("P (13", True): 6,
    }


def test_x25519_of_rfc_7748():
    records = read_vectors("asymmetric/X25519/rfc7748.txt")
    counts = Counter()
    for each in records:
        private = x25519.X25519PrivateKey.from_private_bytes(octets(each["input_scalar"]))
        public = x25519.X25519PublicKey.from_public_bytes(octets(each["input_u"]))
        secret = Agreement("x25519", private).agree(spki(public))
        counts[secret == octets(each["output_u"])] += 1
    assert counts == {True: len(records)}


@pytest.mark.parametrize("algorithm", ["x25519", "ec-p256", "ec-p384", "ec-p521", "ec-secp256k1"])
def test_both_parties_agree_and_other_keys_are_refused(algorithm):
    (mine, my_public), (theirs, their_public) = key_pairs.generate(algorithm), key_pairs.generate(algorithm)
    sides = [Agreement(algorithm, key_pairs.load_private(algorithm, each)) for each in (mine, theirs)]
    secret = sides[0].agree(their_public)
    assert secret == sides[1].agree(my_public)
    _, other = key_pairs.generate("ed25519")
    for wrong in (
        b"",
        b"\x30\x00",
        other,
        their_public[:-1],
        their_public + b"\0",
        their_public[:-32] + bytes(32),
    ):
        with pytest.raises(Invalid) as refusal:
            sides[0].agree(wrong)
        assert list(refusal.value.fields) == ["public_key"]
