"""Back up the database into a folder of files, and restore it into an empty SQLite or PostgreSQL database.

Both databases write the same files: one for each table, with a row on each line in the text format of PostgreSQL's
COPY. A signed manifest lists them. The key-encryption key is never part of a backup.
"""

from backups.kek_ring import copy_kek_ring
from backups.moving import copy_to_postgresql
from backups.other_database import run_on_other_database
from backups.restoring import Restored, restore_backup
from backups.writing import back_up, write_snapshot

__all__ = [
    "Restored",
    "back_up",
    "copy_kek_ring",
    "copy_to_postgresql",
    "restore_backup",
    "run_on_other_database",
    "write_snapshot",
]
