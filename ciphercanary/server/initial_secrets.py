"""Creates the missing secrets of a deployment: ``python -m ciphercanary.server.initial_secrets --host NAME FOLDER``.

``FOLDER`` has one folder for each consumer, so that each container can mount its own alone. Existing files stay as
they are: an operator can provide their own, and another run changes nothing. The files are readable by every user of
a container, because the consumers run as different users. Only root of the host reaches the folders from outside.
"""

import argparse
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from kernel import home
from kernel.crypto import keywrap
from kernel.crypto.asymmetric import certificates
from kernel.observability import standard_error

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_MODE = 0o444


class Incomplete(Exception):
    """One line with the problem and its remedy."""


def main() -> None:
    standard_error.capture(is_server=True)
    parser = argparse.ArgumentParser(
        prog="initial_secrets", description="Creates the missing secrets of a deployment."
    )
    parser.add_argument("--host", default="localhost", help="host name of the certificate")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        created = create_missing(options.folder, options.host)
    except (Incomplete, OSError, ValueError) as error:
        # No colon after the name, because redaction takes "secrets: …" for a secret.
        sys.exit(f"initial_secrets failed: {error}")
    sys.stdout.writelines(f"created {path}\n" for path in created)


def create_missing(folder: Path, host: str) -> list[Path]:
    """Create what is missing, and return the new files. Raises Incomplete, OSError, and ValueError for the host."""
    created = _together(folder, {"kek/kek": ":".join(keywrap.generate_kek())})
    created += _together(folder, {"application/secret-key": secrets.token_urlsafe(64)})
    created += _together(folder, {"grafana/admin-password": secrets.token_urlsafe(24)})
    created += _together(folder, _for_postgres())
    created += _together(folder, _for_redis())
    names = list(dict.fromkeys((host, *_LOCAL_NAMES)))
    certificate, key = certificates.self_signed(names, now=datetime.now(UTC))
    tls = {"tls/certificate.pem": certificate.decode(), "tls/key.pem": key.decode()}
    return created + _together(folder, tls)


def _for_postgres() -> Mapping[str, str]:
    password = secrets.token_urlsafe(32)
    return {
        "postgres/superuser-password": secrets.token_urlsafe(32),
        "postgres/password": password,
        "application/database-url": f"postgresql://ciphercanary:{password}@postgres:5432/ciphercanary",
    }


def _for_redis() -> Mapping[str, str]:
    password = secrets.token_urlsafe(32)
    lines = (
        f"requirepass {password}",
        "maxmemory 160mb",
        "maxmemory-policy volatile-ttl",  # messages of the broker have no expiry, so they stay
        'save ""',  # nothing in Redis needs to survive a restart
        "dir /data",
    )
    return {
        "redis/password": password,
        "redis/redis.conf": "\n".join(lines),
        "application/redis-url": f"redis://:{password}@redis:6379/0",
        "application/celery-broker-url": f"redis://:{password}@redis:6379/1",
    }


def _together(folder: Path, contents: Mapping[str, str]) -> list[Path]:
    """Create files that belong together, unless all of them exist. Raises Incomplete if only some do."""
    paths = [folder / name for name in contents]
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return []
    if len(missing) < len(paths):
        names = ", ".join(str(path) for path in missing)
        raise Incomplete(
            f"{names} missing, but files that belong to it exist. Restore it, or remove the others."
        )
    for path, content in zip(paths, contents.values(), strict=True):
        path.parent.mkdir(exist_ok=True)
        home.create_private_file(path, content.encode() + b"\n")
        path.chmod(_MODE)
    return paths


if __name__ == "__main__":
    main()
