"""The origin of the program (a clone or an installed package), and the names of its commands."""

import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_IS_CLONE = (ROOT / "bin" / "serve").is_file()
# A package has the templates and static files inside it, because the folder above it belongs to all packages.
FILES = ROOT if _IS_CLONE else ROOT / "ciphercanary"
# The commands, as messages name them.
SERVER = "ciphercanary-server"
SERVE = "bin/serve" if _IS_CLONE else f"{SERVER} serve"
MANAGE = "bin/manage" if _IS_CLONE else f"{SERVER} manage"
WORKER = ".venv/bin/python -m ciphercanary.server worker" if _IS_CLONE else f"{SERVER} worker"
PREPARE = f"Start {SERVE} once" if _IS_CLONE else f"Run {SERVER} prepare"


def read_version() -> str:
    """The version of pyproject.toml, which the metadata of an installed package contains."""
    if not _IS_CLONE:
        return metadata.version("ciphercanary")
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def default_home() -> Path:
    """``var/`` of a clone, otherwise a folder in the user's home (XDG Base Directory Specification)."""
    if _IS_CLONE:
        return ROOT / "var"
    try:
        return Path("~/.local/share/ciphercanary").expanduser()
    except RuntimeError:  # a system account without a home
        return Path("/var/lib/ciphercanary")
