"""Requests generated from the OpenAPI document, with the token of each role, to a running product.

    python -m tests.services python -m tests.security.fuzz --examples 100 [--seed 1] [--only encrypt]

Each operation gets requests that the document allows, and requests that it forbids. No answer may be a server error
or deviate from the document. A hot operation gets each request twice, through the fast path and through REST, and both
must agree. The campaign prints the figures and the operations that have accepted no request, and exits 1 if it has found a
deviation.
"""

import argparse
import json
import os
import sys
import tempfile
import uuid
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

from console.demo_data import PEOPLE
from tests.output import log
from tests.product import Product, b64

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.positive_data_acceptance,
]
OWNER = next(name for name, role in PEOPLE if role == "developer")
# Rules that the document describes in words only, by the fields that a refusal names, or by its code.
IN_WORDS = {
    # Follow from the algorithm; an existing policy.
    "POST /api/v1/keys": {"key_size", "purpose", "policy_id"},
    # The material is a key of the algorithm in the format.
    "POST /api/v1/keys/import": {"material", "import_parameters_id", "policy_id", "purpose", "exportable"},
    "POST /api/v1/keys/{key_id}/export": {"versions", "wrapping_key"},  # of the key; a public key
    "PATCH /api/v1/keys/{key_id}": {"policy_id", "min_decryption_version"},
    "POST /api/v1/keys/{key_id}/schedule-deletion": {"confirm_name"},
    "POST /api/v1/keys/{key_id}/versions/{version}/schedule-destruction": {"confirm_name"},
    "GET /api/v1/keys/{key_id}/impact": {"version", "min_decryption_version"},  # follow from the action
    # Agree with the algorithm; reencrypt needs grace_days.
    "POST /api/v1/policies": {"key_size", "allowed_modes", "rotation_policy"},
    "PATCH /api/v1/policies/{policy_id}": {"allowed_modes", "rotation_policy"},
    "POST /api/v1/policies/{policy_id}/preview": {"allowed_modes", "rotation_policy"},
    "POST /api/v1/decrypt": {
        "encrypted_data",
        "iv",
        "tag",
        "algorithm",
        "key_id",
        "key_version",
    },  # one of two forms
    "POST /api/v1/decrypt/batch": {"items"},  # likewise
    "POST /api/v1/encrypt": {"options", "key_id", "key_version"},  # agree with the algorithm
    # Each item has its own error, unless no key is named. Only deterministic modes take a version.
    "POST /api/v1/encrypt/batch": {"items", "key_version", "algorithm"},
    "POST /api/v1/reencryptions/{reencryption_id}/pages": {"items"},  # texts without NUL
    # A message or a digest of the right length; the algorithm is one of the key.
    "POST /api/v1/sign": {"message", "digest", "encoding", "unsupported_algorithm"},
    "POST /api/v1/verify": {"message", "digest", "encoding", "key_version", "unsupported_algorithm"},
    "POST /api/v1/mac/verify": {"key_version"},  # of the key
    "POST /api/v1/decapsulate": {"ciphertext", "key_version"},  # of the key
    "POST /api/v1/shared-secret": {"public_key", "key_version"},  # likewise
    # The size or a pair; the algorithm is one of the key.
    "POST /api/v1/data-keys": {"bits", "unsupported_algorithm"},
    "POST /api/v1/derive": {"context", "key_version"},  # at least one byte; a version of the key
    "POST /api/v1/sign/batch": {"items", "encoding", "unsupported_algorithm"},  # no null; of the key
    "POST /api/v1/verify/batch": {"items", "encoding", "unsupported_algorithm"},  # likewise
    "POST /api/v1/mac/batch": {"items"},  # likewise
    "POST /api/v1/mac/verify/batch": {"items"},  # likewise
    # Finite numbers, and no reserved members; the algorithm is one of the key, and has a JOSE name.
    "POST /api/v1/jwt/sign": {"claims", "header", "signing_algorithm", "unsupported_algorithm"},
    # Names of a certificate; the algorithm is one of the key.
    "POST /api/v1/keys/{key_id}/csr": {"subject", "san", "unsupported_algorithm"},
    "POST /api/v1/stream/encrypt": {"X-AAD"},  # base64
    # Likewise. A request without a body has no media type.
    "POST /api/v1/stream/decrypt": {"X-AAD", "unsupported_media_type"},
    # A key to encrypt only; a form with the file. A file to decrypt is a stream.
    "POST /api/v1/files": {"key_id", "X-AAD", "file", "unsupported_media_type"},
    "GET /api/v1/audit/consistency": {"from", "to"},  # sizes that the tree has had
    "GET /api/v1/audit/logs": {"client_ip", "to"},  # any notation of an address; not before ``from``
    "GET /api/v1/audit/trail": {"to"},  # likewise
    "POST /api/v1/audit/exports": {
        "action",
        "actor",
        "actor_type",
        "search",
        "source",
        "to",
        "client_ip",
        "object",
        "outcome",
        "request_id",
        "from",
    },  # none with tiles
    "POST /api/v1/audit/saved-filters": {"filters", "name"},  # as for the log; a new name
    "POST /api/v1/keys/{key_id}/succeed": {"algorithm"},  # of the same purpose
    "POST /api/v1/users": {"username", "email", "password"},  # as for a sign-up: acceptable and free
    "POST /api/v1/tokens": {
        "scopes",
        "keys",
        "networks",
        "expires_at",
    },  # those of the role, and within a year
    "POST /api/v1/grants": {
        "principal_id",
        "operations",
        "networks",
        "expires_at",
    },  # of its type; each once; CIDR
    "POST /api/v1/keys/{key_id}/grants": {"principal_id", "operations", "networks", "expires_at"},  # likewise
    "GET /api/v1/keys/{key_id}/access": {"client_ip"},  # any notation of an address
    "POST /api/v1/webhooks": {"url", "topics"},  # an https URL of a public host, and known topics
    "PATCH /api/v1/webhooks/{webhook_id}": {"url", "topics"},  # likewise
    "POST /oauth/token": {"invalid_client", "invalid_scope", "invalid_request"},  # each parameter once
    "POST /auth/password": {"current", "new"},  # the right one, and not a common one
}
# A text that is no ciphertext, one of other data, and a state that is no longer the key's.
IN_WORDS_EVERYWHERE = {
    "malformed_ciphertext",
    "decryption_failed",
    "version_conflict",
    "idempotency_key_reused",
}
HOT = {
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
# The algorithm of the key that the requests of an operation name, if it is another one.
KEYS_OF = {
    "/api/v1/keys/{key_id}/csr": "ec-p256",
    "/api/v1/keys/{key_id}/jwks": "ec-p256",
    "/api/v1/keys/{key_id}/public-key": "ec-p256",
    "/api/v1/sign": "ec-p256",
    "/api/v1/verify": "ec-p256",
    "/api/v1/mac": "hmac-sha256",
    "/api/v1/mac/verify": "hmac-sha256",
    "/api/v1/encapsulate": "ml-kem-768",
    "/api/v1/decapsulate": "ml-kem-768",
    "/api/v1/shared-secret": "x25519",
    "/api/v1/jwt/sign": "ec-p256",
    "/api/v1/sign/batch": "ec-p256",
    "/api/v1/verify/batch": "ec-p256",
    "/api/v1/mac/batch": "hmac-sha256",
    "/api/v1/mac/verify/batch": "hmac-sha256",
}
# Each of them hashes a password at its full cost.
COSTLY = {"/auth/login", "/auth/password"}
COSTLY_EXAMPLES = 3


@dataclass
class Report:
    """``deviations`` counts by operation and title; ``samples`` has one curl command or text for each."""

    operations: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)  # operations that have answered 2xx
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
        self.tokens = {name: product.token(name) for name, _ in PEOPLE}
        self.file_id = ""
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
        known = self.known_objects()

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

    def known_objects(self) -> dict[str, Any]:
        """Values of parameters and members that name objects, so that requests get beyond 404."""
        owner = self.tokens[OWNER]
        ids = {}
        for algorithm in {"aes-256", *KEYS_OF.values()}:
            name = {"name": f"fuzz-{uuid.uuid4().hex}", "algorithm": algorithm}
            ids[algorithm] = self.product.send("POST", "/api/v1/keys", name, token=owner).json["id"]
        key_id = ids["aes-256"]
        body = {"algorithm": "aes-256-gcm", "key_id": key_id, "data": b64(b"canary")}
        sealed = self.product.send("POST", "/api/v1/encrypt", body, token=owner).json
        keys = {path: ids[algorithm] for path, algorithm in KEYS_OF.items()}
        job = self.product.send("POST", "/api/v1/reencryptions", {"key_id": key_id}, token=owner).json
        if not self.file_id:  # once: their number is limited
            path = f"/api/v1/files?operation=encrypt&key_id={key_id}"
            octets = {"Content-Type": "application/octet-stream"}
            self.file_id = self.product.send("POST", path, b"canary", token=owner, headers=octets).json["id"]
        return {
            "key_id": key_id,
            "file_id": self.file_id,
            "reencryption_id": job["id"],
            "operation_id": job["id"],
            "version": 1,
            "ciphertext": sealed["ciphertext"],
            "log_id": 1,
            "subject": "CN=www.example.org",
            "keys": keys,
        }

    def renew_tokens(self) -> None:
        """Sign in again after an operation that has ended a session."""
        for user, token in self.tokens.items():
            if self.product.send("GET", "/auth/me", token=token).status != HTTPStatus.OK:
                self.tokens[user] = self.product.token(user)

    def case(self, case: Any, user: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = case.call(session=self.session, headers=headers)
        self.report.cases += 1
        self.report.statuses[answer.status_code] += 1
        label = case.operation.label
        if HTTPStatus(answer.status_code).is_success:
            self.report.accepted.add(label)
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                if isinstance(failure, RejectedPositiveData) and breaks_a_rule_in_words(label, answer.json()):
                    continue
                self.report.add(label, failure.title, f"{user}: {group.message}"[:3000])
        if case.operation.path in HOT and isinstance(answer.request.body, bytes):
            self.compare_paths(label, answer.request)

    def compare_paths(self, label: str, request: requests.PreparedRequest) -> None:
        """Send the body of a hot operation through both paths, and compare their answers."""
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


def breaks_a_rule_in_words(label: str, problem: Any) -> bool:
    fields = {name.partition(".")[0] for name in problem.get("errors", {})}
    known = IN_WORDS.get(label, set())
    messages = [message for each in problem.get("errors", {}).values() for message in each]
    if messages and all(message.startswith("Remove the character") for message in messages):
        return True  # the schema allows all characters of a category, also unassigned ones
    code = problem.get("code") or problem["error"]  # RFC 6749 section 5.2
    return code in IN_WORDS_EVERYWHERE | known or (bool(fields) and fields <= known)


def insert(case: Any, known: dict[str, Any]) -> None:
    """Make the valid parts of a request name objects that exist, and write their integers without a fraction."""
    modes = {location: info.mode for location, info in case.meta.components.items()} if case.meta else {}
    if modes.get(ParameterLocation.PATH) is GenerationMode.POSITIVE:
        for name in case.path_parameters:
            if name in known:
                case.path_parameters[name] = known[name]
        if "key_id" in case.path_parameters and case.operation.path in known["keys"]:
            case.path_parameters["key_id"] = known["keys"][case.operation.path]
    if modes.get(ParameterLocation.BODY) is GenerationMode.POSITIVE and isinstance(case.body, dict):
        for name, value in case.body.items():
            case.body[name] = known.get(name, int(value) if isinstance(value, float) else value)
        if "key_id" in case.body and case.operation.path in known["keys"]:
            case.body["key_id"] = known["keys"][case.operation.path]


def main() -> int:
    """Return 0 if every answer was as the document says."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    django.setup()
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz")
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
