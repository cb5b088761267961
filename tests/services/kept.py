"""Databases with all tables, kept in pytest's cache from one run to the next: migrating takes four seconds of CPU.

They are created again if a migration, a module that one imports or a locked package changes. Each run and each of its processes works on a copy.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.services.rights import folder_for_servers

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".pytest_cache" / "d"
TABLES = "ciphercanary_tables"  # the database on PostgreSQL whose copies are the test databases
IMPORTED = re.compile(r"^(?:from|import) ([\w.]+)", re.MULTILINE)


def keep(name: str, create: Callable[[Path], Path]) -> Path:
    """The file or folder of this name in the cache. ``create`` makes a missing one below a temporary folder."""
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / f"{name}-{digest()}"
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # processes that start at the same time create it once
        if not kept.exists():
            for older in CACHE.glob(f"{name}-*"):
                subprocess.run(["rm", "-rf", older], check=True)
            with tempfile.TemporaryDirectory(prefix="kept-", dir=folder_for_servers()) as scratch:
                Path(scratch).chmod(0o711)  # for PostgreSQL's own account
                unfinished = CACHE / f"{name}-unfinished"
                copy(create(Path(scratch)), unfinished)
            unfinished.rename(kept)
    return kept


def copy(source: Path, target: Path) -> None:
    """With owners and modes, because PostgreSQL runs under an account of its own."""
    subprocess.run(["cp", "-a", source, target], check=True)


def digest() -> str:
    """Of everything that decides about the tables."""
    migrations = sorted(ROOT.glob("*/migrations/*.py"))
    imported = {name for file in migrations for name in IMPORTED.findall(file.read_text())}
    modules = [ROOT / f"{name.replace('.', '/')}.py" for name in sorted(imported)]
    files = [*migrations, *filter(Path.is_file, modules), ROOT / "requirements.lock"]
    found = hashlib.sha256(sys.version.encode())
    for file in files:
        found.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return found.hexdigest()[:16]


def migrate(folder: Path, **environment: str) -> None:
    """Create all tables in the database of the environment, or without one in ``db.sqlite3`` of the folder."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    ours = {"CC_HOME": str(home), "DJANGO_SETTINGS_MODULE": "ciphercanary.settings", **environment}
    inherited = {
        name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR", "HOME"}
    }
    command = [sys.executable, "-m", "django", "migrate", "--no-input", "--verbosity=0", "--skip-checks"]
    subprocess.run(command, cwd=ROOT, env=inherited | {"PYTHONPATH": str(ROOT)} | ours, check=True)


def sqlite() -> Path:
    """A SQLite file with all tables."""

    def create(scratch: Path) -> Path:
        migrate(scratch)
        return scratch / "home" / "db.sqlite3"

    return keep("sqlite", create)


def copy_sqlite(target: Path) -> None:
    shutil.copyfile(sqlite(), target)
