"""The name of this process in PostgreSQL's ``pg_stat_activity`` and log."""

from collections.abc import Sequence
from pathlib import Path

_PRODUCT = "ciphercanary"
_ROLES = {"run_sequencer": "sequencer", "run_worker": "worker"}  # commands that are programs of the server


def application_name(command_line: Sequence[str]) -> str:
    """``ciphercanary web``, ``ciphercanary manage rotate_keys``, … for a ``sys.argv``; ``ciphercanary`` for others."""
    path = Path(command_line[0])
    program = path.parent.name if path.stem == "__main__" else path.stem  # python -m PACKAGE
    match program, *command_line[1:]:
        case "gunicorn", *_:
            role = "web"
        case "celery", *words:
            role = next((word for word in words if word in {"worker", "beat"}), "")
        case ("manage", command, *_) | ("server" | "ciphercanary-server", "manage", command, *_):
            role = _ROLES.get(command, f"manage {command}")
        case "server" | "ciphercanary-server", role, *_:
            pass
        case _:
            role = ""
    return f"{_PRODUCT} {role}".rstrip()
