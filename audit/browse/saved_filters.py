"""The periods of saved filters. A period ends at the time when the filter is used."""

from datetime import timedelta
from types import MappingProxyType

# Word, label, and length.
PERIODS = MappingProxyType(
    {
        "1h": ("Last hour", timedelta(hours=1)),
        "24h": ("Last 24 hours", timedelta(hours=24)),
        "7d": ("Last 7 days", timedelta(days=7)),
        "30d": ("Last 30 days", timedelta(days=30)),
    }
)
