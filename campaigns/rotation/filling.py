"""Create keys that are due for rotation in the database of a stopped product: ``python -m campaigns.rotation.filling NUMBER``."""

import os
import sys
from datetime import timedelta

import django

from tests.factories import KeyFactory


def main(number: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    django.setup()
    from accounts.principals import Principal  # noqa: PLC0415 - models need a set-up Django
    from audit.log.events import Source  # noqa: PLC0415
    from kernel.clock import database_now  # noqa: PLC0415
    from keys.models import Key  # noqa: PLC0415

    system = Principal.system("campaign", Source.COMMAND)
    for each in range(number):
        KeyFactory(principal=system, name=f"campaign-{each:06}", rotation_period_days=30)
    Key.objects.update(next_rotation_at=database_now() - timedelta(days=1))


if __name__ == "__main__":
    main(int(sys.argv[1]))
