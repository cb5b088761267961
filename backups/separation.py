"""Keep the key-encryption keys and the backups of the database apart: together they open everything."""

from pathlib import Path

from django.conf import settings

from backups.manifest import MANIFEST_FILE
from kernel.errors import Conflict
from kernel.trust.kek import KEK_FILES


def require_no_kek(folder: Path) -> None:
    """Raises Conflict if a key-encryption key is in the new folder of a backup, or next to it."""
    for place in (folder, folder.parent):
        if any(place.glob(KEK_FILES)):
            raise _conflict(place, "a key-encryption key")


def require_no_backup(folder: Path) -> None:
    """Raises Conflict if a backup is next to the new folder of key-encryption keys, or the folder in the data folder."""
    if folder.is_relative_to(settings.CC_HOME):
        raise Conflict("The folder is inside the data folder. Choose a folder on another medium.")
    parent = folder.parent
    if (parent / MANIFEST_FILE).exists() or any(parent.glob(f"*/{MANIFEST_FILE}")):
        raise _conflict(parent, "a backup of the database")


def _conflict(place: Path, contents: str) -> Conflict:
    return Conflict(
        f"{place} contains {contents}. Choose another folder, because with the key and a backup anyone can decrypt "
        "everything."
    )
