"""Use a canary of the level quarantine while 2,000 connections use the same credential, and time their last success.

    python -m tests.services python -m campaigns.canaries.quarantine

Eight web processes serve them, once with the fast path and once without. Each connection sends its next request after
a response. In turn, the credential is a service token, a user with an API and a browser session, and a service account
with a token for its secret. The incident opens at the time of its record in the journal. The campaign ends with 1 if a
call succeeds later than a second after that.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.machine import allow_many_files
from campaigns.canaries.connections import OK, Load
from campaigns.installations import installation
from tests.output import log
from tests.product import Product
from tests.waiting import wait_until

LATEST = 1.0  # seconds after the opening of the incident
BEFORE, AFTER = 3.0, 5.0  # seconds of load before the touch, and after the end of the credential
LANES = {"protocol": "fast path", "off": "Django"}
TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}


@dataclass(frozen=True)
class Credential:
    """``name``: as in incidents. ``headers``: those of its calls in turn; the first ones are of the API."""

    name: str
    headers: tuple[Mapping[str, str], ...]


class Campaign:
    def __init__(self, product: Product, options: argparse.Namespace) -> None:
        self.product, self.options = product, options
        self.late: list[str] = []
        self.number = 0

    def prepare(self) -> None:
        from canaries.documents import HOST, Kind, Level  # noqa: PLC0415 - needs Django
        from canaries.services.planting import plant_canary  # noqa: PLC0415 - likewise

        self.admin = self.product.token()
        new = {"algorithm": "aes-256", "tags": ["orders"]}
        self.keys = [
            self.post("/api/v1/keys", {"name": name, **new})["id"] for name in ("orders", "orders-archive")
        ]
        developers = {"principal_type": "role", "principal_id": "developer", "operations": ["encrypt"]}
        self.post("/api/v1/grants", {**developers, "tag": "orders"})
        plant_canary(by=HOST, kind=Kind.KEY, object_id=self.keys[1], note="", level=Level.QUARANTINE)

    def play(self, lane: str) -> None:
        self.product.environment["CC_LANE"] = lane
        self.product.start()
        if not self.number:
            self.prepare()
        for _ in range(self.options.rounds):
            for make in (self.make_token, self.make_session, self.make_client):
                self.number += 1
                self.play_round(f"{LANES[lane]}, {make.__name__.removeprefix('make_')}", make())
        self.product.stop()

    def play_round(self, name: str, credential: Credential) -> None:
        load = Load(self.product.port, self.requests_of(credential))
        load.start()
        wait_until(lambda: len(load.open) == self.options.calls)
        time.sleep(BEFORE)
        touched = self.touch(credential)
        records: dict[str, float] = {}
        wait_until(lambda: records.update(self.records_of(credential.name)) or "credential.ended" in records)
        time.sleep(AFTER)
        load.end()
        self.judge(name, credential.name, load, touched, records)

    def judge(
        self, name: str, credential: str, load: Load, touched: float, records: Mapping[str, float]
    ) -> None:
        opened = records["canary.touched"]
        successes = [each for each in load.responses if each.status == OK]
        during = sum(opened - 1 < each.ended <= opened for each in successes)
        statuses = dict(Counter(each.status for each in load.responses).most_common())
        log(
            f"{name}: {len(load.responses)} responses {statuses}, {load.lost} connections lost; {during} successes in the "
            f"second before the incident, which opened {opened - touched:.2f} s after the touch. After the opening, the "
            f"credential ended in {self.revoked_at() - opened:.2f} s, and its last encryption on record was at "
            f"{self.last_entry_of(credential) - opened:.2f} s"
        )
        assert during, "there was no load when the incident opened"
        for path in sorted({each.path for each in successes}):
            found = [each for each in successes if each.path == path]
            last = max(found, key=lambda each: each.ended)
            after = sum(each.ended > opened for each in found)
            late = sum(each.ended > opened + LATEST for each in found)
            log(
                f"  {path}: {after} successes after the opening, {late} of them late; the last one ended after "
                f"{last.ended - opened:.2f} s and began after {last.began - opened:.2f} s"
            )
            if late:
                self.late.append(f"{name} {path}")

    def revoked_at(self) -> float:
        """The time of the newest entry of quarantine."""
        return self.newest("actor_name = 'session control'")

    def last_entry_of(self, credential: str) -> float:
        kind, _, name = credential.partition(":")
        return self.newest(f"{kind}_id = '{name}' AND action = 'crypto.message.encrypted' AND outcome = 'ok'")

    def newest(self, condition: str) -> float:
        statement = f"SELECT extract(epoch FROM max(timestamp)) FROM audit_logs WHERE {condition}"  # noqa: S608 - ours
        return float(self.product.query_log(statement)[0][0])

    def touch(self, credential: Credential) -> float:
        """Use the canary until this succeeds. The time before the request that succeeded."""
        body = json.dumps({"key_id": self.keys[1], **TEXT}).encode()
        while True:
            at = time.time()
            reply = self.product.send("POST", "/api/v1/encrypt", body, headers=credential.headers[0])
            if reply.status == OK:
                return at
            assert reply.status in (429, 503), reply.content

    def records_of(self, credential: str) -> dict[str, float]:
        """The times of the records about the incident of the credential, by word."""
        from canaries.sealed import journal  # noqa: PLC0415 - needs Django

        incident, found = "", dict[str, float]()
        for each in journal.read():
            for record in each.page.records:
                if record.facts.get("touch", {}).get("credential") == credential:
                    incident = record.facts["incident"]
                if incident and record.facts.get("incident") == incident:
                    found.setdefault(record.word, record.at.timestamp())
        return found

    # --- requests

    def requests_of(self, credential: Credential) -> list[bytes]:
        """Encryptions with another key, lists of keys, and pages if the credential has a browser session."""
        host = f"Host: 127.0.0.1:{self.product.port}\r\n"
        body = json.dumps({"key_id": self.keys[0], **TEXT})
        texts = []
        for number in range(self.options.calls):
            headers = credential.headers[number % len(credential.headers)]
            lines = host + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            if "Cookie" in headers:
                texts.append(f"GET /account/tokens/ HTTP/1.1\r\n{lines}\r\n")
            elif number % 2:
                texts.append(f"GET /api/v1/keys?limit=1 HTTP/1.1\r\n{lines}\r\n")
            else:
                more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                texts.append(f"POST /api/v1/encrypt HTTP/1.1\r\n{lines}{more}\r\n{body}")
        return [text.encode() for text in texts]

    # --- credentials

    def make_token(self) -> Credential:
        user = self.product.create_user(f"card-vault-{self.number}", "developer")
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        body = {"name": "deploy", "scopes": ["encrypt", "keys.read"], "expires_at": tomorrow}
        created = self.post("/api/v1/tokens", body, user)
        return Credential(f"token:{created['id']}", (bearer(created["token"]),))

    def make_session(self) -> Credential:
        name = f"report-job-{self.number}"
        token = self.product.create_user(name, "developer")
        user = self.product.send("GET", "/auth/me", token=token).json["id"]
        return Credential(f"user:{user}", (*[bearer(token)] * 19, self.product.sign_in(name)))

    def make_client(self) -> Credential:
        body = {"name": f"payments-api-{self.number}", "role": "developer"}
        account = self.post("/api/v1/service-accounts", body)
        form = {
            "grant_type": "client_credentials",
            "client_id": account["id"],
            "client_secret": account["client_secret"],
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        issued = self.product.send("POST", "/oauth/token", urlencode(form).encode(), headers=headers).json
        token = bearer(issued["access_token"])
        [[token_id]] = self.product.query(
            f"SELECT id FROM service_tokens WHERE service_account_id = '{account['id']}'"  # noqa: S608 - an id
        )
        return Credential(f"token:{token_id}", (token,))

    def post(self, path: str, body: object, token: str = "") -> Any:
        reply = self.product.send("POST", path, body, token=token or self.admin)
        assert reply.status == 201, reply.content
        return reply.json


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2000, help="connections with a call in flight (2000)")
    parser.add_argument("--rounds", type=int, default=1, help="with each credential (1)")
    parser.add_argument("--lanes", nargs="+", choices=LANES, default=list(LANES))
    parser.add_argument("--processes", type=int, default=8, help="web processes (8)")
    options = parser.parse_args()
    allow_many_files()
    with (
        tempfile.TemporaryDirectory(prefix="quarantine-") as name,
        installation(Path(name), WEB_CONCURRENCY=str(options.processes)) as product,
    ):
        campaign = Campaign(product, options)
        try:
            for lane in options.lanes:
                campaign.play(lane)
        finally:
            product.kill()
    log(f"later than {LATEST:g} s: {', '.join(campaign.late) or 'none'}")
    return 1 if campaign.late else 0


if __name__ == "__main__":
    sys.exit(main())
