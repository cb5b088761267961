"""A log of another installation, with its own keys and tree, and an installation that is a witness for it."""

import hashlib

from audit.tlog import merkle
from audit.tlog.checkpoint import Checkpoint, VerifierKey, sign_note
from audit.tlog.cosignature import WitnessRequest
from kernel.crypto import seed_signing
from kernel.crypto.material import KeyMaterial

URL = "/api/v1/witness/add-checkpoint"
OTHER_ORIGIN = "other-log.example/log"


class OtherLog:
    """``branch`` decides about the entries from ``forks_at`` on."""

    def __init__(self, origin=OTHER_ORIGIN, seed="other"):
        self.origin = origin
        self.material = KeyMaterial(hashlib.sha256(seed.encode()).digest())
        public_key = seed_signing.public_key(seed_signing.ED25519, self.material)
        self.key = VerifierKey(origin, seed_signing.ED25519, public_key)

    def leaves(self, size, branch="main", forks_at=0):
        names = [f"{at}" if at < forks_at else f"{at} {branch}" for at in range(size)]
        return [merkle.leaf_hash(name.encode()) for name in names]

    def request(self, old, size, *, branch="main", forks_at=0, proof=None, note=None):
        """The body of a request."""
        leaves = self.leaves(size, branch, forks_at)
        if proof is None:
            proof = merkle.consistency_proof(min(old, size), size, reader(leaves))
        return WitnessRequest(old, tuple(proof), note or self.note(leaves)).encode()

    def note(self, leaves, size=None):
        root = merkle.Frontier.EMPTY.extended(leaves).root()
        head = Checkpoint(self.origin, len(leaves) if size is None else size, root)
        sign = (self.key, lambda message: seed_signing.sign(seed_signing.ED25519, self.material, message))
        return sign_note(head, [sign], 1)


def reader(leaves):
    def read(level, index):
        return merkle.complete_root(leaves[index << level : (index + 1) << level])

    return read


def become_witness(settings, *keys):
    """For the logs with these keys. Returns the key of the witness."""
    from audit.services.witness import bootstrap_witness_key, find_witness_key  # noqa: PLC0415 - models need a set-up Django

    settings.CC_WITNESS_FOR = [key.vkey for key in keys]
    bootstrap_witness_key()
    return find_witness_key()
