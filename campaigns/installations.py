"""An installation whose tables this process reads and writes itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.product import Product, drop_database


@contextmanager
def installation(folder: Path, **settings: str) -> Iterator[Product]:
    """The installation, not started. Sets Django up for it, so a process can have one. Removes its database at the end."""
    product = Product(folder / "product", LOG_LEVEL="CRITICAL", **settings)
    try:
        os.environ |= product.environment | {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings"}
        import django  # noqa: PLC0415 - the environment is complete only now

        django.setup()
        yield product
    finally:
        drop_database(product.database)
