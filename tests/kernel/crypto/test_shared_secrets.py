"""ML-KEM, ECDH and X25519. The published vectors are in tests/crypto_ops/vectors."""

import pytest

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.asymmetric.agreement import Agreement
from kernel.crypto.asymmetric.kem import Decapsulator, Encapsulator
from kernel.crypto.errors import Invalid
from kernel.crypto.modes import KEM_MODES


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
