"""Keys that are all created and used alike. Some of them become canaries, drawn by lot."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from campaigns.canaries.dumps import Named
from tests.product import KeepAlive, Product, Reply

WORDS = ("billing", "cards", "exports", "invoices", "ledger", "mail", "orders", "payroll", "search", "users")
DATA = {"algorithm": "aes-256-gcm", "data": "aGk="}
HOURS = 24
SECONDS = 300  # in which the watcher catches up

type Act = Callable[["Member"], Reply]


@dataclass
class Member:
    """A key, and its ciphertexts."""

    named: Named
    ciphertexts: list[str] = field(default_factory=list)


class Population:
    """The users of a product, and what they do with keys, on one connection.

    ``dora`` is the owner of the keys, and ``stella`` has no access.
    """

    def __init__(self, product: Product, client: KeepAlive, seed: int) -> None:
        self.product, self.client = product, client
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.dora, self.stella = (product.create_user(name, "developer") for name in ("dora", "stella"))
        self.admin = product.token()
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        new = {"name": "jobs", "scopes": ["encrypt"], "expires_at": tomorrow}
        self.service = str(self.post("/api/v1/tokens", new, self.dora).json["token"])
        self.me = str(self.get("/auth/me", self.dora).json["id"])
        self.acts: Mapping[str, Act] = {
            "encrypt": self.encrypt,
            "decrypt": lambda member: self.decrypt(member, self.dora),
            "decrypt a forged ciphertext": self.decrypt_forged,
            "decrypt without access": lambda member: self.decrypt(member, self.stella),
            "encrypt without access": lambda member: self.use("encrypt", DATA, member, self.stella),
            "encrypt with a service token": lambda member: self.use("encrypt", DATA, member, self.service),
            "encrypt in a wrong mode": lambda member: self.use(
                "encrypt", DATA | {"algorithm": "aes-128-gcm"}, member
            ),
            "create a data key": lambda member: self.use("data-keys", {}, member),
            "read": lambda member: self.get(f"/api/v1/keys/{member.named.id}", self.dora),
            "read without access": lambda member: self.get(f"/api/v1/keys/{member.named.id}", self.stella),
            "rotate": lambda member: self.post(
                f"{self._at(member)}/rotate", {"reason": "yearly"}, self.admin
            ),
            "change": lambda member: self.client.send(
                "PATCH", self._at(member), {"description": "kept"}, token=self.admin
            ),
            "grant": self.grant,
        }

    def create(self, number: int) -> list[Member]:
        """Keys with random names, with the same algorithm."""
        names = {f"{self.chance.choice(WORDS)}-{self.chance.randrange(16**6):06x}" for _ in range(2 * number)}
        found = []
        for name in sorted(names, key=lambda _: self.chance.random())[:number]:
            created = self.post("/api/v1/keys", {"name": name, "algorithm": "aes-256"}, self.dora)
            assert created.status == 201, created.content
            found.append(Member(Named(created.json["id"], name)))
        self.use_all(found, ["encrypt"])
        return found

    def plant(self, members: Sequence[Member]) -> None:
        from canaries.documents import HOST, Kind  # noqa: PLC0415 - needs Django
        from canaries.services.planting import plant_canary  # noqa: PLC0415 - likewise

        for member in members:
            plant_canary(by=HOST, kind=Kind.KEY, object_id=UUID(member.named.id), note="the wiki")

    def use_all(self, members: Sequence[Member], acts: Sequence[str]) -> None:
        """Each act once with each key, in random order."""
        plan = [(act, member) for act in acts for member in members]
        self.chance.shuffle(plan)
        for act, member in plan:
            status = self.acts[act](member).status
            assert (status < 300) == (act not in REFUSED), f"{act}: {status}"

    # --- acts

    def encrypt(self, member: Member) -> Reply:
        reply = self.use("encrypt", DATA, member)
        member.ciphertexts.append(reply.json["ciphertext"])
        return reply

    def decrypt(self, member: Member, token: str) -> Reply:
        return self.post("/api/v1/decrypt", {"ciphertext": member.ciphertexts[0]}, token)

    def decrypt_forged(self, member: Member) -> Reply:
        forged = member.ciphertexts[0]
        place = len(forged) - 8
        forged = forged[:place] + ("A" if forged[place] != "A" else "B") + forged[place + 1 :]
        return self.post("/api/v1/decrypt", {"ciphertext": forged}, self.dora)

    def grant(self, member: Member) -> Reply:
        new = {"principal_type": "role", "principal_id": "admin", "operations": ["decrypt"]}
        return self.post(f"{self._at(member)}/grants", new, self.admin)

    def use(self, operation: str, body: Mapping[str, str], member: Member, token: str = "") -> Reply:
        return self.post(f"/api/v1/{operation}", {"key_id": member.named.id, **body}, token or self.dora)

    def post(self, path: str, body: Mapping[str, object], token: str) -> Reply:
        return self.client.send("POST", path, body, token=token)

    def get(self, path: str, token: str) -> Reply:
        return self.client.send("GET", path, token=token)

    def _at(self, member: Member) -> str:
        return f"/api/v1/keys/{member.named.id}"


REFUSED = {
    "decrypt a forged ciphertext",
    "decrypt without access",
    "encrypt without access",
    "encrypt in a wrong mode",
    "read without access",
}


def seal_hourly(hours: int = HOURS) -> None:
    """Seal everything again and anchor the journal, as the worker does each hour."""
    from canaries.sealed.store import changing  # noqa: PLC0415 - needs Django

    for _ in range(hours):
        with changing() as change:
            change.incidents.anchored_at = None


def wait_for_the_watcher(product: Product) -> None:
    until = time.monotonic() + SECONDS
    while is_behind(product):
        assert time.monotonic() < until, "the watcher does not catch up"
        time.sleep(0.5)


def is_behind(product: Product) -> bool:
    """Whether the watcher has to read more of the log."""
    if product.query("SELECT 1 FROM audit_bundles WHERE rejected_at IS NULL LIMIT 1"):
        return True
    [[newest]] = product.query(
        "SELECT max(id + coalesce(entries, 1) - 1) FROM audit_logs WHERE action <> 'audit.writer.heartbeat'"
    )
    [[watched]] = product.query("SELECT last_id FROM log_position")
    return bool(watched < newest)
