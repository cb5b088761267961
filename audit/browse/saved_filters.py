"""What a saved filter may hold: the filters of the log as texts, and a period that ends whenever it is used."""

from datetime import timedelta
from types import MappingProxyType

# Word, what people call it, and how long it is.
PERIODS = MappingProxyType(
    {
        "1h": ("Last hour", timedelta(hours=1)),
        "24h": ("Last 24 hours", timedelta(hours=24)),
        "7d": ("Last 7 days", timedelta(days=7)),
        "30d": ("Last 30 days", timedelta(days=30)),
    }
)
