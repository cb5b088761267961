"""Verifies the audit log of a server against the last checkpoint that this machine stored."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ciphercanary_client.client import Client
from ciphercanary_client.errors import VerificationFailed
from ciphercanary_client.files import PRIVATE, replacing
from ciphercanary_client.log_proofs import (
    Checkpoint,
    EntryProof,
    VerifierKey,
    hashes_of,
    verify_consistency,
)

KEYS_PATH = "/.well-known/ciphercanary-audit-keys"


@dataclass(frozen=True)
class StoredHead:
    """The trusted keys of the log, and the newest checkpoint that was verified (or None)."""

    keys: tuple[VerifierKey, ...]
    checkpoint: Checkpoint | None

    @staticmethod
    def read(path: Path) -> "StoredHead | None":
        """None if the file does not exist. Raises VerificationFailed if it is malformed."""
        try:
            stored = json.loads(path.read_text("utf-8"))
            keys = tuple(VerifierKey.parse(vkey) for vkey in stored["keys"])
            return StoredHead(keys, Checkpoint.parse(stored["checkpoint"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise VerificationFailed(
                f"{path} is damaged. Restore it, because it is what proofs start from."
            ) from None

    def write(self, path: Path) -> None:
        if self.checkpoint is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"keys": [key.vkey for key in self.keys], "checkpoint": self.checkpoint.note}
        with replacing(path, PRIVATE) as file:
            file.write(json.dumps(content, indent=1).encode() + b"\n")


@dataclass(frozen=True)
class Verified:
    """The result of a verification. ``earlier`` is the checkpoint that the log still begins with, or None.

    ``entry`` is the text of the entry that was requested, or "".
    """

    head: StoredHead
    newest: Checkpoint
    earlier: Checkpoint | None
    is_first_use: bool
    entry: str


def verify_log(
    client: Client, stored: StoredHead | None, pinned: tuple[VerifierKey, ...], entry_id: int | None
) -> Verified:
    """Check the newest checkpoint, that its tree begins with the stored one, and an entry if its id is given.

    ``pinned`` replaces the stored keys. Without both, the keys are those that the server publishes now (trust on first
    use). Raises VerificationFailed.
    """
    keys = pinned or (stored.keys if stored else _published_keys(client))
    earlier = stored.checkpoint if stored else None
    proof, entry = _proof(client, entry_id) if entry_id is not None else (None, "")
    newest = Checkpoint.parse(_text_of(client.call("GET", "/api/v1/audit/checkpoint"), "note"))
    # The server responds in this order, and checkpoints only grow.
    chain = [proof.checkpoint, newest] if proof else [newest]
    for checkpoint in chain:
        checkpoint.verify(keys)
    if earlier:  # verified before it was stored, maybe with keys of an earlier time
        chain.insert(0, earlier)
    for former, later in pairwise(chain):
        verify_consistency(former, later, _consistency(client, former, later))
    if proof:
        proof.verify(entry.encode())
    return Verified(StoredHead(keys, newest), newest, earlier, not pinned and stored is None, entry)


def _published_keys(client: Client) -> tuple[VerifierKey, ...]:
    try:
        return tuple(VerifierKey.parse(vkey) for vkey in client.text(KEYS_PATH).split())
    except ValueError:
        raise VerificationFailed("The server publishes a malformed key.") from None


def _proof(client: Client, entry_id: int) -> tuple[EntryProof, str]:
    response = client.call("GET", f"/api/v1/audit/logs/{entry_id}/proof")
    entry = _text_of(response, "entry")
    try:
        is_requested = json.loads(entry)["id"] == entry_id
    except (ValueError, LookupError, TypeError):
        is_requested = False
    if not is_requested:
        raise VerificationFailed("The server returned another entry.")
    return EntryProof.parse(_text_of(response, "proof")), entry


def _consistency(client: Client, former: Checkpoint, later: Checkpoint) -> tuple[bytes, ...]:
    if not former.size or former.size >= later.size:
        return ()
    query = {"from": str(former.size), "to": str(later.size)}
    response = client.call("GET", "/api/v1/audit/consistency", query=query)
    hashes = response.get("hashes") if isinstance(response, dict) else None
    return hashes_of(map(str, hashes if isinstance(hashes, list) else [""]))


def _text_of(response: Any, member: str) -> str:
    if not isinstance(response, dict) or not isinstance(response.get(member), str):
        raise VerificationFailed(f"The response of the server has no {member}.")
    return str(response[member])
