"""A restore drill: messages of the running installation must open in a restored copy of it."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from accounts.principals import Principal
from audit import actions
from audit.log.events import Event
from audit.sequencing.running import checkpoint_now
from audit.services.recording import record_alone
from backups.other_database import run_on_other_database
from backups.writing import write_snapshot
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import envelope
from kernel.errors import Conflict
from kernel.home import create_private_file
from kernel.trust import kek
from keys.lifecycle import Status
from keys.reading.services import list_keys

_COMMAND: Final = "restore_drill"
_PLAINTEXT_SIZE: Final = 32
_MAX_LENGTH: Final = 4096

type _Step = tuple[str, Callable[[], object]]


def run_drill(messages: int, *, url: str, principal: Principal) -> Iterator[tuple[str, float]]:
    """Yield the name and the seconds of each step. ``url``: an empty database; "" for a temporary SQLite file.

    The copy has a temporary data folder with the key-encryption keys, which is removed at the end. Then the log records
    the drill. Raises Conflict if a step fails, AuditUnavailable, and what ``write_snapshot`` raises.
    """
    total = 0.0
    with TemporaryDirectory(prefix="restore-drill-") as temporary:
        folder = Path(temporary)
        for name, step in _steps(folder, messages, url, principal):
            began = time.monotonic()
            step()
            seconds = time.monotonic() - began
            total += seconds
            yield name, seconds
    meta = {"messages": messages, "seconds": round(total)}
    record_alone(Event(action=actions.BACKUP_DRILLED, object_type="backup", meta=meta), principal.actor)


def _steps(folder: Path, messages: int, url: str, principal: Principal) -> Sequence[_Step]:
    sealed, backup, home = folder / "messages", folder / "backup", folder / "home"
    backup.mkdir(mode=0o700)
    home.mkdir(mode=0o700)
    target = url or f"sqlite:///{home}/db.sqlite3"

    def on_the_copy(*arguments: str) -> None:
        if run_on_other_database(*arguments, url=target, home=home):
            raise Conflict(f"The restore drill failed: {arguments[0]} reported the problem above.")

    return [
        ("sign the audit log", checkpoint_now),  # also without a server, whose sequencer would do it
        (f"encrypt {messages} messages", lambda: _write_messages(sealed, messages, principal)),
        # Not recorded as a backup, because it does not remain.
        ("back up", lambda: write_snapshot(backup)),
        ("copy the key-encryption keys", lambda: kek.copy_ring(home)),
        ("restore and verify", lambda: on_the_copy("restore", str(backup), "--drill", "--verify")),
        (f"decrypt {messages} messages", lambda: on_the_copy(_COMMAND, "--decrypt", str(sealed))),
    ]


def _write_messages(path: Path, messages: int, principal: Principal) -> None:
    create_private_file(path, _encrypt(messages, principal).encode())


def decrypt_messages(path: Path, principal: Principal) -> int:
    """Decrypt each message of a file of ``run_drill``, and compare it. Returns their number.

    Raises Conflict for another plaintext, and what the decryption raises.
    """
    lines = path.read_text().splitlines()
    for line in lines:
        text, _, digest = line.partition(" ")
        request = DecryptRequest.of_envelope(envelope.decode(text, max_length=_MAX_LENGTH), b"")
        if hashlib.sha256(perform_measured(request, principal).plaintext).hexdigest() != digest:
            raise Conflict("A message of the restore drill has another plaintext than before.")
    return len(lines)


def _encrypt(messages: int, principal: Principal) -> str:
    """``messages`` lines, each with a ciphertext and the SHA-256 of its plaintext, by all keys in turn.

    Raises Conflict without a key that encrypts.
    """
    active = list_keys(principal=principal, only={"status": Status.ACTIVE})
    keys = [key for key in active.filter(purpose="encrypt") if key.protects]
    if not keys:
        raise Conflict(
            "There is no active key that encrypts. Create one, because the drill must decrypt something."
        )
    lines = []
    for key in islice(cycle(keys), messages):
        plaintext = secrets.token_bytes(_PLAINTEXT_SIZE)
        request = EncryptRequest(mode=SEALING_MODES[key.default_mode], plaintext=plaintext, key_id=key.id)
        sealed = envelope.encode(perform_measured(request, principal))
        lines.append(f"{sealed} {hashlib.sha256(plaintext).hexdigest()}\n")
    return "".join(lines)
