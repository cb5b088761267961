"""Events of log targets against the published schema of OCSF.

    .venv/bin/python -m pip install --target var/ocsf ocsf-json-schema==1.2.0
    PYTHONPATH=var/ocsf .venv/bin/python -m campaigns.ocsf [--write]

The package contains each version of the schema as schema.ocsf.io exports it, makes JSON Schemas of it, and needs no
network. The campaign checks an event of every action, outcome, kind of actor and kind of object in every version since
that of the events, and exits with 1 if one is invalid. ``--write`` writes the part that the tests use.
"""

import argparse
import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import django

CLASSES: Final = (6003, 3002, 3001, 2004)
OTHER: Final = 99
FIRST: Final = "1.1.0"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="write the part of the schema that the tests use"
    )
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    os.environ.setdefault("CC_DEBUG", "true")
    django.setup()
    published = importlib.import_module("ocsf_json_schema")
    events = list(_events())
    _log(f"{len(events)} events: {dict(Counter(event['class_name'] for event in events))}")
    versions = [
        version for version in published.get_packaged_versions() if _number(version) >= _number(FIRST)
    ]
    found = sum(_check(published, version, events) for version in sorted(versions, key=_number))
    if options.write:
        _write(_schemas(published, FIRST), events)
    return 1 if found else 0


def _events() -> Iterator[dict[str, Any]]:
    from audit.forwarding.events.formats import FORMATS  # noqa: PLC0415 - after django.setup
    from tests.audit.forwarding.samples import samples  # noqa: PLC0415 - likewise

    for entry in samples():
        yield json.loads(FORMATS["ocsf"](entry))


def _number(version: str) -> tuple[int, ...]:
    """Candidates such as 1.0.0-rc.2 come before every version that counts."""
    return tuple(map(int, version.split("."))) if "-" not in version else (0,)


def _schemas(published: Any, version: str) -> dict[str, Any]:
    schema = published.OcsfJsonSchemaEmbedded(published.get_ocsf_schema(version=version))
    return {str(uid): schema.get_class_schema(schema.lookup_class_name_from_uid(uid)) for uid in CLASSES}


def _captions(published: Any, version: str) -> dict[tuple[int, int], str]:
    """The names of activities, by class and activity."""
    return {
        (found["uid"], int(activity)): value["caption"]
        for found in published.get_ocsf_schema(version=version)["classes"].values()
        if found["uid"] in CLASSES
        for activity, value in found["attributes"]["activity_id"]["enum"].items()
    }


def _check(published: Any, version: str, events: list[dict[str, Any]]) -> int:
    """The number of invalid events in this version."""
    from tests.audit.forwarding.ocsf_schema import Schemas  # noqa: PLC0415 - after django.setup

    schemas = Schemas(_schemas(published, version))
    captions = _captions(published, version)
    found = Counter(
        f"{event['metadata']['event_code']}: {fault}"
        for event in events
        for fault in schemas.faults(event | {"metadata": event["metadata"] | {"version": version}})
    )
    found.update(
        f"{event['metadata']['event_code']}: {event['activity_name']} is not the name of the activity"
        for event in events
        if event["activity_id"] != OTHER
        and event["activity_name"] != captions[event["class_uid"], event["activity_id"]]
    )
    for fault, times in found.most_common(20):
        _log(f"{version}: {times} x {fault}")
    _log(f"{version}: {len(events)} events, {found.total()} faults")
    return found.total()


def _write(schemas: dict[str, Any], events: list[dict[str, Any]]) -> None:
    from tests.audit.forwarding.ocsf_schema import PART  # noqa: PLC0415 - after django.setup

    used: dict[int, set[str]] = {}
    for event in events:
        root = schemas[str(event["class_uid"])]
        _note(root, event, root, used)
    part = {uid: _pruned(root, used) for uid, root in schemas.items()}
    PART.write_text(json.dumps(part, indent=1, sort_keys=True) + "\n")
    _log(f"wrote {PART}")


def _resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return root["$defs"][reference.rpartition("/")[2]] if reference else node


def _note(node: dict[str, Any], value: Any, root: dict[str, Any], used: dict[int, set[str]]) -> None:
    """Note the properties of each object of the schema that the value has."""
    if isinstance(value, list):
        for item in value:
            _note(node["items"], item, root, used)
    if isinstance(value, dict):
        node = _resolved(node, root)
        properties = node.get("properties", {})
        used.setdefault(id(node), set()).update(value)
        for name in value.keys() & properties.keys():
            _note(properties[name], value[name], root, used)


def _pruned(root: dict[str, Any], used: dict[int, set[str]]) -> dict[str, Any]:
    kept = _without_unused(root, used)
    kept["$defs"] = {
        name: _without_unused(node, used) for name, node in root["$defs"].items() if id(node) in used
    }
    return kept


def _without_unused(node: dict[str, Any], used: dict[int, set[str]]) -> dict[str, Any]:
    names = used[id(node)] | set(node.get("required", ()))
    kept = {name: value for name, value in node.items() if name not in {"title", "$id", "$defs"}}
    if "properties" in kept:
        properties = kept["properties"].items()
        kept["properties"] = {name: _untitled(value) for name, value in properties if name in names}
    return kept


def _untitled(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name != "title"}


def _log(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
