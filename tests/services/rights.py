"""The account of a server. PostgreSQL refuses to run as root, and another account must reach its files."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from tests.services.processes import Unavailable


def unprivileged_account() -> pwd.struct_passwd | None:
    """Return the account for PostgreSQL if we are root, or None if the current account suffices."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("PostgreSQL refuses root, and this system has no account postgres or nobody")


def folder_for_servers() -> str:
    """Return the first folder for temporary files that every account can pass through."""
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108  # mkdtemp chooses the names inside
        if os.geteuid() != 0 or is_open_to_all(Path(candidate)):
            return candidate
    raise Unavailable("no folder for temporary files that other accounts may enter; set TMPDIR")


def is_open_to_all(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder.resolve(), *folder.resolve().parents))


def private_folder(folder: Path, account: pwd.struct_passwd | None) -> Path:
    folder.mkdir(mode=0o700)
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def readable_copy(source: Path, target: Path) -> None:
    """Copy a tree so that every account can read and run it, independently of its original modes."""
    shutil.copytree(source, target, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
