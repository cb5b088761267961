"""The audit words of the service itself."""

from typing import Final

SCHEMA_READ: Final = "service.schema.read"
# A request that was refused before any endpoint could say what it wanted.
REQUEST_REFUSED: Final = "api.request.refused"
