"""Audit actions of the service itself."""

from typing import Final

SCHEMA_READ: Final = "service.schema.read"
# A request rejected before any endpoint could determine its action.
REQUEST_REFUSED: Final = "api.request.refused"
