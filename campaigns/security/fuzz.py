"""Requests generated from the OpenAPI document, with the token of each role, to a running product.

    python -m tests.services python -m campaigns.security.fuzz --examples 100 [--seed 1] [--only encrypt]

Each operation gets requests that the document allows, and requests that it forbids. No response may be a server error
or deviate from the document. An operation of the fast path gets each request twice, through the fast path and through REST, and both
must agree. The campaign prints the figures and the operations that have accepted no request, and exits 1 if it has found a
deviation.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import django
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi import checks

from campaigns.security.known_objects import KnownObjects
from campaigns.security.rules_in_words import breaks_a_rule_in_words
from demo.data import OFFICER, PEOPLE, PLANTED
from tests.output import log
from tests.product import Product

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.positive_data_acceptance,
]
FAST = {
    f"/api/v1/{name}"
    for name in (
        "encrypt",
        "decrypt",
        "encrypt/batch",
        "decrypt/batch",
        "sign",
        "verify",
        "mac",
        "mac/verify",
        "encapsulate",
        "decapsulate",
        "shared-secret",
        "sign/batch",
        "verify/batch",
        "mac/batch",
        "mac/verify/batch",
        "jwt/sign",
        "data-keys",
        "derive",
    )
}
# Each of them hashes a password at its full cost.
COSTLY = {"/auth/login", "/auth/password"}
COSTLY_EXAMPLES = 3


@dataclass
class Report:
    """``deviations`` counts by operation and title; ``samples`` has one curl command or text for each."""

    operations: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)  # operations that have returned 2xx
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    deviations: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, operation: str, title: str, sample: str) -> None:
        self.deviations[operation, title] += 1
        self.samples.setdefault((operation, title), sample)


class Fuzz:
    """Generated requests to one product with the demo; ``report`` collects what they have shown."""

    def __init__(self, product: Product, *, seed: int) -> None:
        self.product, self.seed, self.report = product, seed, Report()
        self.session = requests.Session()
        # The officer has a second factor. Quarantine disables a planted user. Others have the same roles.
        left_out = {OFFICER, *(decoy.name for decoy in PLANTED)}
        self.tokens = {name: product.token(name) for name, _ in PEOPLE if name not in left_out}
        self.known = KnownObjects(product, self.tokens)
        self.schema = schemathesis.openapi.from_dict(product.send("GET", "/api/schema/").json)
        self.schema.config.update(base_url=f"http://127.0.0.1:{product.port}")

    def run(self, examples: int, only: str = "") -> Report:
        """Generate ``examples`` allowed and as many forbidden requests for each operation, and send each in each role."""
        for result in self.schema.get_all_operations():
            operation = result.ok()
            if only in operation.label:
                self.report.operations.add(operation.label)
                count = min(examples, COSTLY_EXAMPLES) if operation.path in COSTLY else examples
                for mode in GenerationMode:
                    self.operation(operation, mode, count)
        return self.report

    def operation(self, operation: Any, mode: GenerationMode, examples: int) -> None:
        is_public = operation.definition.raw.get("security") == []
        self.renew_tokens()
        known = self.known.of(operation.path)

        @seeded(self.seed)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # nothing is raised, so nothing is to be shrunk
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case):
            insert(case, known)
            for user, token in {"anonymous": ""} if is_public else {**self.tokens, "anonymous": ""}.items():
                self.case(case, user, token)

        with suppress(Unsatisfiable):  # the document forbids nothing about this operation
            send()

    def renew_tokens(self) -> None:
        """Sign in again after an operation that has ended a session."""
        for user, token in self.tokens.items():
            if self.product.send("GET", "/auth/me", token=token).status != HTTPStatus.OK:
                self.tokens[user] = self.product.token(user)

    def case(self, case: Any, user: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = case.call(session=self.session, headers=headers)
        self.report.cases += 1
        self.report.statuses[response.status_code] += 1
        label = case.operation.label
        if HTTPStatus(response.status_code).is_success:
            self.report.accepted.add(label)
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                if isinstance(failure, RejectedPositiveData) and breaks_a_rule_in_words(
                    label, response.json()
                ):
                    continue
                self.report.add(label, failure.title, f"{user}: {group.message}"[:3000])
        if case.operation.path in FAST and isinstance(response.request.body, bytes):
            self.compare_paths(label, response.request)

    def compare_paths(self, label: str, request: requests.PreparedRequest) -> None:
        """Send the body of an operation of the fast path through both paths, and compare their responses."""
        from tests.crypto_ops.two_paths import SLOW, assert_same  # noqa: PLC0415 - models need a set-up Django

        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        path = str(request.path_url)
        fast, slow = (
            self.product.send("POST", path, request.body, token=token, headers=headers)
            for headers in ({}, SLOW)
        )
        self.report.cases += 2
        if HTTPStatus.SERVICE_UNAVAILABLE in {fast.status, slow.status}:
            return  # the machine is busy, which is counted by its status
        try:
            assert_same(fast, slow)
        except AssertionError as difference:
            self.report.add(
                label, "fast path and REST differ", f"{request.body!r}"[:500] + str(difference)[:2000]
            )


def insert(case: Any, known: dict[str, Any]) -> None:
    """Make the valid parts of a request name objects that exist, and write their integers without a fraction."""
    modes = {location: info.mode for location, info in case.meta.components.items()} if case.meta else {}
    if modes.get(ParameterLocation.PATH) is GenerationMode.POSITIVE:
        for name in case.path_parameters:
            if name in known:
                case.path_parameters[name] = known[name]
    if modes.get(ParameterLocation.BODY) is GenerationMode.POSITIVE and isinstance(case.body, dict):
        for name, value in case.body.items():
            case.body[name] = known.get(name, int(value) if isinstance(value, float) else value)


def main() -> int:
    """Return 0 if every response was as the document says."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    django.setup()
    parser = argparse.ArgumentParser(prog="python -m campaigns.security.fuzz")
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a part of an operation's method and path")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder), has_demo=True) as product:
        report = Fuzz(product, seed=options.seed).run(options.examples, options.only)
    log(f"{len(report.operations)} operations, {report.cases} requests, seed {options.seed}")
    log(f"statuses: {json.dumps(dict(sorted(report.statuses.items())))}")
    never_accepted = sorted(report.operations - report.accepted)
    log("\n  ".join([f"without an accepted request: {len(never_accepted)}", *never_accepted]))
    for (operation, title), count in report.deviations.most_common():
        log(f"\n== {operation}: {title}: {count}\n{report.samples[operation, title]}")
    log(f"{sum(report.deviations.values())} deviations")
    return 1 if report.deviations else 0


if __name__ == "__main__":
    sys.exit(main())
