# ruff: noqa: INP001 - a program
"""Validate each object of a file against the newest Kubernetes, and reject unknown fields.

    python deploy/kubernetes/validate.py FILE

Kinds of the Prometheus operator have no definition there: tests/architecture/test_kubernetes.py checks ours.
"""

import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

OPERATOR = "monitoring.coreos.com/v1"


def main(path: str) -> int:
    objects = [each for each in yaml.safe_load_all(Path(path).read_text()) if each]
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    problems = [f"{kind} {name} occurs twice" for kind, name in set(names) if names.count((kind, name)) > 1]
    problems += [problem for each in objects if (problem := problem_of(each))]
    for problem in problems:
        sys.stderr.write(f"{path}: {problem}\n")
    skipped = sum(each["apiVersion"] == OPERATOR for each in objects)
    version = kubernetes_validate.latest_version()
    sys.stdout.write(
        f"{path}: {len(objects) - skipped} objects for Kubernetes {version}, {skipped} not checked\n"
    )
    return 1 if problems or not objects else 0


def problem_of(found: dict[str, Any]) -> str:
    """The first violation of the definition, or ""."""
    if found["apiVersion"] == OPERATOR:
        return ""
    try:
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return f"{found['apiVersion']} {found['kind']} is not a kind of Kubernetes"
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(part) for part in error.path)
        return f"{found['kind']} {found['metadata']['name']}: {place}: {error.message}"
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
