"""The part of the published OCSF schema that the events use, as JSON Schemas by ``class_uid``.

``python -m campaigns.ocsf --write`` writes the file from the package ``ocsf-json-schema``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

PART: Final = Path(__file__).with_name("ocsf-1.1.0.json")


class Schemas:
    """A validator for each ``class_uid``."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._validators = {uid: Draft202012Validator(schema) for uid, schema in schemas.items()}

    def faults(self, event: Mapping[str, Any]) -> list[str]:
        """The faults that the schema of the event's class finds, and a ``type_uid`` that contradicts class and activity."""
        errors = self._validators[str(event["class_uid"])].iter_errors(event)
        found = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            found.append("type_uid: contradicts class_uid and activity_id")
        return found


def published() -> Schemas:
    return Schemas(json.loads(PART.read_text()))
