"""Copy the key-encryption keys to a place of their own: with a backup of the database, they open everything."""

from pathlib import Path

from audit import actions
from audit.log.events import Actor, Event
from audit.services.recording import record_alone
from backups.separation import require_no_backup
from kernel.home import new_folder
from kernel.trust import kek


def copy_kek_ring(folder: Path, *, actor: Actor) -> list[str]:
    """Copy every key-encryption key into a new folder, completely or not at all, and record it. Returns their ids.

    The files have the names and the format of the data folder. The folder is 0700, its files 0600. Raises Conflict if
    the folder is not empty, inside the data folder or next to a backup, KekUnavailable, OSError and AuditUnavailable.
    """
    require_no_backup(folder.absolute())
    with new_folder(folder) as unfinished:
        kek_ids = kek.copy_ring(unfinished)
        meta = {"kek_ids": kek_ids}
        record_alone(Event(action=actions.KEK_COPIED, object_type="key_encryption_key", meta=meta), actor)
    return kek_ids
