"""Write many authentic entries into the database of a stopped product: ``python -m campaigns.backups.filling NUMBER``."""

import os
import sys
import uuid

import django

CHUNK = 5000


def main(number: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    django.setup()
    from audit.log.events import Event  # noqa: PLC0415 - models need a set-up Django
    from tests.audit.sequencing.log import write_many  # noqa: PLC0415

    keys = [str(uuid.uuid4()) for _ in range(50)]
    for first in range(0, number, CHUNK):
        event = Event(
            action="crypto.message.encrypted",
            object_type="key",
            object_id=keys[first // CHUNK % len(keys)],
            object_version=1,
            size=64,
            meta={"algorithm": "aes-256-gcm"},
        )
        write_many(min(CHUNK, number - first), event=event)


if __name__ == "__main__":
    main(int(sys.argv[1]))
