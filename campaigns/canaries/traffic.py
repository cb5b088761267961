"""The traffic of an ordinary day, an hour at a time: programs, people at the console, and an administrator."""

import random
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.product import ADMIN, KeepAlive, Product, b64
from tests.waiting import wait_until

PROGRAMS = 4  # threads
OF_A_SHAPE = 3  # pages of the same route and parameters that an administrator opens
ALGORITHMS = {"aes-256": "aes-256-gcm", "aes-128": "aes-128-gcm", "chacha20": "chacha20-poly1305"}
PEOPLE = {"jonas": "operator", "ines": "auditor", "card-vault": "developer", "payments-api": "developer"}
OWNERS = ("card-vault", "payments-api")
DATA = b64(b"a message")
FORMATS = ("jsonl", "csv", "tiles")
SCOPES = ("encrypt", "decrypt", "reencrypt", "sign", "verify", "mac", "jwt", "data_key", "random", "inspect")
READS = (
    "/api/v1/keys?limit=100",
    "/api/v1/keys?search=orders",
    "/api/v1/keys?algorithm=aes-256&status=active",
    "/api/v1/audit/logs?limit=50",
    "/api/v1/audit/logs?search=orders",
    "/api/v1/operations",
    "/api/v1/rotations",
)


@dataclass(frozen=True)
class OwnKey:
    """A key with something to decrypt or to verify, as members of a request."""

    id: str
    purpose: str
    algorithm: str
    made: Mapping[str, str]


@dataclass(frozen=True)
class Program:
    """A client. ``can_read``: its token also has the scopes of reads."""

    token: str
    keys: Sequence[OwnKey]
    can_read: bool


class Traffic:
    def __init__(self, product: Product, *, requests: int, seed: int) -> None:
        """``requests`` of programs in each hour."""
        self.product, self.requests, self.seed = product, requests, seed
        self.counts = Counter[str]()
        self.lock = threading.Lock()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str,
        expected: Sequence[int] = (200, 201, 202, 204),
    ) -> Any:
        """The JSON of the response, which must have an expected status."""
        reply = self.product.send(method, path, body, token=token)
        assert reply.status in expected, (method, path, reply.status, reply.content)
        self.count(re.sub(r"[?].*|[0-9a-f-]{36}", "", path))
        is_json = reply.headers.get_content_type().endswith("json")
        return reply.json if is_json and reply.content else reply.content

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    # --- before the day

    def prepare(self) -> None:
        self.admin = self.product.token()
        tokens = {name: self.product.create_user(name, role) for name, role in PEOPLE.items()}
        self.keys = {name: [*self.create_keys(name, tokens[name])] for name in OWNERS}
        grant = {"principal_type": "role", "principal_id": "developer", "operations": list(SCOPES[:8])}
        self.send("POST", "/api/v1/grants", {**grant, "tag": OWNERS[0]}, token=self.admin)
        account = self.send(
            "POST", "/api/v1/service-accounts", {"name": "reports", "role": "developer"}, token=self.admin
        )
        self.account = account["id"], account["client_secret"]
        self.tokens = {name: self.create_token(tokens[name])["token"] for name in OWNERS}

    def create_keys(self, owner: str, token: str) -> Sequence[OwnKey]:
        algorithms = [*["aes-256"] * 6, "aes-128", "chacha20", "ed25519", "hmac-sha256"]
        return [self.create_key(f"{owner}-{n}", each, owner, token) for n, each in enumerate(algorithms)]

    def create_key(self, name: str, algorithm: str, tag: str, token: str) -> OwnKey:
        more = {"tags": [tag], "rotation_period_days": 30}
        key = self.send("POST", "/api/v1/keys", {"name": name, "algorithm": algorithm, **more}, token=token)
        purpose = key["purpose"]
        path, member = {"encrypt": ("encrypt", "ciphertext"), "sign": ("sign", "signature")}.get(
            purpose, ("mac", "mac")
        )
        body = {"key_id": key["id"], **body_of(purpose, algorithm)}
        made = self.send("POST", f"/api/v1/{path}", body, token=token)
        return OwnKey(key["id"], purpose, algorithm, {member: made[member]})

    def create_token(self, token: str, name: str = "nightly", scopes: Sequence[str] = SCOPES) -> Any:
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        body = {"name": name, "scopes": list(scopes), "expires_at": tomorrow}
        return self.send("POST", "/api/v1/tokens", body, token=token)

    # --- programs

    def run_programs(self, hour: int) -> None:
        """A session, service tokens and a token of a service account, each in a thread."""
        first, second = (self.keys[name] for name in OWNERS)
        programs = [
            Program(self.product.token(OWNERS[0]), first, can_read=True),
            Program(self.tokens[OWNERS[0]], first, can_read=False),
            Program(self.tokens[OWNERS[1]], second, can_read=False),
            Program(self.issue_token(), first, can_read=True),
        ]
        numbers = [self.requests // len(programs)] * len(programs)
        in_threads(*((self.run_program, each, n, hour) for each, n in zip(programs, numbers, strict=True)))

    def run_program(self, program: Program, number: int, hour: int) -> None:
        chance = random.Random(f"{self.seed} {hour} {program.token[-8:]}")  # noqa: S311 - no secret
        with self.product.connect() as client:
            for _ in range(number):
                if program.can_read and chance.random() < 0.1:
                    self.read(client, program, chance)
                else:
                    self.use(client, program, chance.choice(program.keys), chance)

    def read(self, client: KeepAlive, program: Program, chance: random.Random) -> None:
        key = chance.choice(program.keys)
        of_key = [
            f"/api/v1/keys/{key.id}{end}" for end in ("", "/versions", "/usage", "/impact?action=disable")
        ]
        path = chance.choice([*READS, *of_key])
        self.check(client.send("GET", path, token=program.token), "read")

    def use(self, client: KeepAlive, program: Program, key: OwnKey, chance: random.Random) -> None:
        path, body = chance.choice(operations_of(key))
        self.check(client.send("POST", f"/api/v1/{path}", body, token=program.token), path)

    def check(self, reply: Any, what: str) -> None:
        assert reply.status in (200, 201), (what, reply.status, reply.content)
        self.count(what)

    def issue_token(self) -> str:
        client_id, secret = self.account
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = self.product.send("POST", "/oauth/token", urlencode(form).encode(), headers=headers)
        assert reply.status == 200, reply.content
        return str(reply.json["access_token"])

    # --- people

    def be_people(self, hour: int) -> None:
        """Everyone signs in, half of them after a wrong password, and opens some pages."""
        for number, name in enumerate(PEOPLE):
            if (number + hour) % 2:
                wrong = {"username": name, "password": "not the password"}
                assert self.product.send("POST", "/auth/login", wrong).status == 401
            session = self.product.sign_in_to_api(name)
            self.send("POST", "/auth/refresh", {"refresh_token": session["refresh_token"]}, token="")
            cookie = self.product.sign_in(name)
            for path in (
                "/home/",
                "/keys/",
                "/usage/",
                "/audit/",
                "/jobs/",
                "/account/",
                f"/keys/{OWNERS[0]}-0/",
            ):
                reply = self.product.send("GET", path, headers=cookie)
                assert reply.status in (200, 404), (name, path, reply.status)
                self.count("page")
        if hour % 8 == 0:
            self.crawl()

    def crawl(self) -> None:
        """Open the pages that an administrator can reach by links, a few of each shape."""
        from tests.test_links import Document, path_of, shape_of  # noqa: PLC0415 - needs Django

        waiting, seen, opened = ["/home/"], {"/home/"}, Counter[Any]()
        cookie = self.product.sign_in(ADMIN)
        while waiting:
            path = waiting.pop(0)
            if opened[shape_of(path)] == OF_A_SHAPE:
                continue
            opened[shape_of(path)] += 1
            reply = self.product.send("GET", path, headers=cookie)
            assert reply.status < 400, (path, reply.status)
            self.count("page of the administrator")
            if reply.headers.get_content_type() != "text/html":
                continue
            found = dict.fromkeys(path_of(path, link) for link in Document(reply.content.decode()).links)
            waiting += [target for target in found if target not in {"", *seen}]
            seen.update(found)

    # --- an administrator

    def administer(self, hour: int) -> None:
        self.admin = token = self.product.token()
        key = self.create_key(f"ledger-{hour}", "aes-256", "ledger", token)
        path, reason = f"/api/v1/keys/{key.id}", {"reason": "quarterly"}
        for act in ("rotate", "disable", "enable"):
            self.send("POST", f"{path}/{act}", reason, token=token)
        self.send("PATCH", path, {"description": "ledger of the shop"}, token=token)
        self.send("GET", "/api/v1/users", token=token)
        self.reencrypt(key, token)
        self.export_key(f"exported-{hour}", token)
        if hour % 2 == 0:  # a user has at most 20 exports
            self.export_log(FORMATS[hour // 2 % len(FORMATS)], token)
        created = self.create_token(token, f"ci-{hour}")
        renewed = self.send(
            "POST", f"/api/v1/tokens/{created['id']}/rotate", {"overlap_hours": 1}, token=token
        )
        self.send("DELETE", f"/api/v1/tokens/{renewed['id']}", token=token)
        policy = {"name": f"policy-{hour}", "algorithm": "aes-256"}
        made = self.send("POST", "/api/v1/policies", policy, token=token)
        self.send("PATCH", path, {"policy_id": made["id"]}, token=token)
        self.send("PATCH", f"/api/v1/policies/{made['id']}", {"key_lifetime_days": 90}, token=token)
        deletion = {**reason, "confirm_name": f"ledger-{hour}"}
        self.send("POST", f"{path}/schedule-deletion", deletion, token=token)
        self.send("POST", f"{path}/cancel-deletion", reason, token=token)

    def reencrypt(self, key: OwnKey, token: str) -> None:
        job = self.send("POST", "/api/v1/reencryptions", {"key_id": key.id}, token=token)["id"]
        page = {"items": [dict(key.made)] * 100}
        result = self.send("POST", f"/api/v1/reencryptions/{job}/pages", page, token=token)
        assert result["reencrypted"] == 100, result
        self.send("POST", f"/api/v1/reencryptions/{job}/complete", token=token)

    def export_key(self, name: str, token: str) -> None:
        body = {"name": name, "algorithm": "aes-256", "exportable": True}
        key = self.send("POST", "/api/v1/keys", body, token=token)["id"]
        self.send("POST", f"/api/v1/keys/{key}/export", {"reason": "to the other site"}, token=token)

    def export_log(self, form: str, token: str) -> None:
        job = self.send("POST", "/api/v1/audit/exports", {"format": form}, token=token)["id"]
        path = f"/api/v1/audit/exports/{job}"
        wait_until(lambda: self.product.send("GET", path, token=token).json["status"] == "succeeded")
        self.send("GET", f"{path}/result", token=token)


def body_of(purpose: str, algorithm: str) -> dict[str, str]:
    if purpose == "encrypt":
        return {"algorithm": ALGORITHMS[algorithm], "data": DATA}
    return {"message": DATA} | ({"signing_algorithm": algorithm} if purpose == "sign" else {})


def operations_of(key: OwnKey) -> list[tuple[str, dict[str, Any]]]:
    """Path and body of each operation that the key can do."""
    named, sent, made = {"key_id": key.id}, body_of(key.purpose, key.algorithm), dict(key.made)
    if key.purpose == "sign":
        signed = {**named, **sent}
        return [
            ("sign", signed),
            ("verify", {**signed, **made}),
            ("jwt/sign", {**named, "claims": {"sub": "shop"}}),
        ]
    if key.purpose == "mac":
        return [("mac", {**named, **sent}), ("mac/verify", {**named, **sent, **made})]
    mode = {"algorithm": ALGORITHMS[key.algorithm]}
    return [
        *[("encrypt", {**named, **sent}), ("decrypt", made)] * 3,
        ("encrypt/batch", {**named, **mode, "items": [{"data": DATA}] * 10}),
        ("decrypt/batch", {**named, **mode, "items": [made] * 10}),
        ("reencrypt", made),
        ("inspect", made),
        ("data-keys", named),
        ("random", {"bytes": 16}),
    ]


def in_threads(*calls: Sequence[Any]) -> None:
    """Call each function with its arguments at the same time. Raises the first of their errors."""
    errors: list[BaseException] = []

    def run(function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
