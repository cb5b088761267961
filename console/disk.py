"""The free space of the data folder, for the system page and the metrics."""

import shutil
from dataclasses import dataclass

from django.conf import settings

LEAST_FREE_BYTES, LEAST_FREE_SHARE = 1024**3, 0.1


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """Bytes."""

    free: int
    total: int

    @property
    def is_critical(self) -> bool:
        return self.free < LEAST_FREE_BYTES

    @property
    def is_scarce(self) -> bool:
        return self.is_critical or self.free < self.total * LEAST_FREE_SHARE


def read_free_space() -> FreeSpace:
    usage = shutil.disk_usage(settings.CC_HOME)
    return FreeSpace(usage.free, usage.total)
