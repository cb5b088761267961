"""A day of normal traffic around canaries of every kind must raise no alarm, neither of a canary nor of the audit log.

    python -m tests.services python -m campaigns.canaries.quiet_day

Each of 24 hours is played in seconds: programs, people and an administrator use other objects, a decoy client uses a
canary as expected, every periodic function of the worker runs as often as in an hour, and the host does its regular
work. Times of the database are real. Keys, among them canaries, are made due by setting their times back. After each
hour, the journal must have no touch, and the channel no notice but heartbeats. At the end, one touch of each canary
must open an incident and reach the channel.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.product import sign_in_with_second_factor
from campaigns.canaries.traffic import OWNERS, Traffic, in_threads
from campaigns.installations import installation
from tests.notifications.servers import Receiver, server_context, serving
from tests.output import log
from tests.product import PASSWORD, Product
from tests.waiting import wait_until

HOURS = 24
POLLING_SECONDS = 30  # functions that run more often are those that the worker itself runs all the time
DECOY_USES = 20  # in an hour
TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}


class Day:
    def __init__(
        self, product: Product, receiver: Receiver, folder: Path, options: argparse.Namespace
    ) -> None:
        self.product, self.receiver, self.folder = product, receiver, folder
        self.traffic = Traffic(product, requests=options.requests // HOURS, seed=options.seed)
        self.runs = Counter[str]()
        self.began = time.monotonic()

    def play(self, hours: int) -> None:
        self.traffic.prepare()
        self.plant()
        self.tell("canaries planted")
        for hour in range(hours):
            traffic = self.traffic
            calls = [(act, hour) for act in (traffic.run_programs, traffic.be_people, traffic.administer)]
            in_threads(*calls, (self.use_decoy,), (self.do_regular_work, hour))
            self.require_silence(hour)
        self.tell(f"runs: {dict(self.runs)}")
        self.tell(f"requests: {self.traffic.counts.total()}: {dict(self.traffic.counts.most_common())}")
        self.tell(f"the product's own entries about canaries: {self.own_entries()}")
        self.tell("no touch, no incident, no notice but heartbeats")
        self.touch_everything()

    # --- canaries

    def plant(self) -> None:
        from canaries.documents import HOST, ChannelKind, Exemption, Kind, Level  # noqa: PLC0415 - needs Django
        from canaries.services.channels import add_channel  # noqa: PLC0415 - likewise
        from canaries.services.planting import plant_canary  # noqa: PLC0415 - likewise

        token, traffic = self.product.token(OWNERS[0]), self.traffic
        names = ("orders-cache", "orders-archive", "orders-2019", "orders-2020", "orders-2021")
        self.keys = [traffic.create_key(name, "aes-256", "orders", token) for name in names]
        decoy = traffic.create_token(token, "decoy", ["encrypt"])
        self.decoy = decoy["token"]
        self.token = traffic.create_token(token, "deploy-old", ["keys.read"])
        account = traffic.send(
            "POST", "/api/v1/service-accounts", {"name": "ci-old", "role": "developer"}, token=traffic.admin
        )
        self.client = account["id"], account["client_secret"]
        report_job = self.product.create_user("report-job", "developer")
        user = traffic.send("GET", "/auth/me", token=report_job)["id"]
        self.product.create_user("mira", "operator")
        self.officer = sign_in_with_second_factor(self.product, "mira")["access_token"]
        self.manage("appoint_officer", "mira")
        add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://127.0.0.1:{self.receiver.port}/")
        expected = Exemption(
            token_id=decoy["id"], operation="crypto.message.encrypted", per_hour=DECOY_USES * HOURS
        )
        planted = [(Kind.KEY, key.id) for key in self.keys[:4]] + [(Kind.CIPHERTEXT, self.keys[4].id)]
        planted += [(Kind.TOKEN, self.token["id"]), (Kind.CLIENT, account["id"]), (Kind.USER, user)]
        for number, (kind, object_id) in enumerate(planted):
            exemptions = () if number else (expected,)
            plant_canary(
                by=HOST,
                kind=kind,
                object_id=object_id,
                note="",
                level=Level.QUARANTINE,
                exemptions=exemptions,
            )
        wait_until(lambda: {"channel.added", "heartbeat"} <= {*self.notices()})
        self.first = len(self.receiver.requests)

    def use_decoy(self) -> None:
        others = self.traffic.keys[OWNERS[0]]
        for key in [self.keys[0], others[0]] * DECOY_USES:
            self.traffic.send("POST", "/api/v1/encrypt", {"key_id": key.id, **TEXT}, token=self.decoy)

    # --- the product's own work

    def do_regular_work(self, hour: int) -> None:
        """The periodic functions as often as in an hour, and the commands of this hour."""
        from django.db import connections  # noqa: PLC0415 - needs Django

        from kernel.jobs.registry import periodic_functions  # noqa: PLC0415 - likewise

        if hour % 6 == 1:
            self.make_due(self.all_keys() if hour == 1 else self.keys, number=2)
        for each in periodic_functions():
            for _ in range(round(3600 / each.seconds) if each.seconds >= POLLING_SECONDS else 1):
                each.function()
                self.runs[each.name] += 1
        self.anchor(is_last=hour == HOURS - 1)
        connections.close_all()
        for command, *arguments in self.commands_of(hour):
            if command in ("rotate_keys", "expire_keys"):
                self.make_due(self.keys, number=3)
            self.manage(command, *arguments)

    def commands_of(self, hour: int) -> Sequence[Sequence[str]]:
        ring, backup, export = (
            str(self.new_folder(name) / str(hour)) for name in ("ring", "backup", "export")
        )
        table: dict[int, Sequence[Sequence[str]]] = {
            0: [("clearsessions",), ("backup", backup)],
            2: [("backup_kek", ring), ("check_kek_backup", ring)],
            3: [("rotate_kek", "--one-host"), ("rewrap_keys",)],
            5: [("verify_audit_log",)],
            6: [("archive_audit_log", "--older-than", "0d")],
            8: [("rotate_keys", "--due", "--dry-run"), ("rotate_keys", "--due")],
            10: [("expire_keys",), ("destroy_due_keys",)],
            11: [("restore_drill",)],
            14: [("rotate_checkpoint_key",)],
            16: [("checkpoint_audit_log",), ("export_audit_log", export)],
            18: [("list_users",), ("list_audit_alarms",)],
            20: [("rotate_kek", "--one-host"), ("rewrap_keys",)],
            22: [("backup", backup), ("verify_audit_log", "--with-archive")],
        }
        return table.get(hour, ())

    def new_folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def manage(self, *arguments: str) -> None:
        done = self.product.manage(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        self.runs[" ".join(word for word in arguments if not word.startswith("/"))] += 1

    def all_keys(self) -> list[Any]:
        return [*self.keys, *(key for keys in self.traffic.keys.values() for key in keys)]

    def make_due(self, keys: Sequence[Any], number: int) -> None:
        """Their rotation, and the expiry of the canary with this number."""
        from kernel.clock import database_now  # noqa: PLC0415 - needs Django
        from keys.models import Key  # noqa: PLC0415 - likewise

        ago = database_now() - timedelta(minutes=1)
        Key.objects.filter(id__in=[key.id for key in keys]).update(next_rotation_at=ago)
        for expiring in Key.objects.filter(id=self.keys[number].id, expires_at=None):
            expiring.expires_at = ago
            expiring.save_with_mac()

    def anchor(self, *, is_last: bool) -> None:
        """The hourly anchor of the journal, and the daily heartbeat."""
        from canaries.sealed.store import changing  # noqa: PLC0415 - needs Django

        with changing() as change:
            change.incidents.anchored_at = None
            if is_last:
                change.incidents.heartbeat_at = None

    # --- verdict

    def require_silence(self, hour: int) -> None:
        from canaries.sealed.store import read_incidents  # noqa: PLC0415 - needs Django

        self.wait_for_the_watcher()
        touches = [f"{each['action']} {each['actor_name']} {each['source']}" for each in self.touches()]
        assert not touches, f"hour {hour}: {Counter(touches)}"
        alarms = self.product.query("SELECT kind, expected, found FROM audit_alarms")
        assert not alarms, f"hour {hour}: {alarms}"
        assert not read_incidents().incidents
        page = self.traffic.send("GET", "/api/v1/canaries/incidents", token=self.officer)
        assert not page["results"], page
        assert {*self.notices()[self.first :]} <= {"heartbeat"}, self.notices()
        self.tell(f"hour {hour}: {self.traffic.counts.total()} requests")

    def touch_everything(self) -> None:
        """Each canary once, by different credentials, and refused or allowed."""
        from canaries.sealed.store import read_incidents, read_set  # noqa: PLC0415 - needs Django

        client_id, secret = self.client
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for key in self.keys:
            self.product.send("POST", "/api/v1/decrypt", dict(key.made), token=self.traffic.tokens[OWNERS[0]])
        self.product.send("GET", "/api/v1/keys", token=self.token["token"])
        self.product.send("POST", "/oauth/token", urlencode(form).encode(), headers=headers)
        self.product.send("POST", "/auth/login", {"username": "report-job", "password": PASSWORD})
        expected = {canary.id for canary in read_set().canaries}

        def found() -> set[Any]:
            return {each for incident in read_incidents().incidents for each in incident.canary_ids}

        wait_until(lambda: found() == expected)
        incidents = read_incidents().incidents
        wait_until(lambda: self.notices().count("canary.touched") == len(incidents))
        self.tell(f"{len(expected)} canaries touched: {len(incidents)} incidents, each with a notice")

    def wait_for_the_watcher(self) -> None:
        newest = "SELECT max(id + coalesce(entries, 1) - 1) FROM audit_logs"
        [[last]] = self.product.query_log(newest)
        wait_until(lambda: self.product.query("SELECT last_id FROM log_position")[0][0] >= last)

    def own_entries(self) -> Counter[tuple[str, str]]:
        """Their numbers, by action and source. Without them, the day would show nothing about scheduled work."""
        ids = ", ".join(f"'{key.id}'" for key in self.keys)
        rows = self.product.query_log(
            "SELECT action, source, count(*) FROM audit_logs WHERE actor_type = 'system' "  # noqa: S608 - ids
            f"AND object_id IN ({ids}) GROUP BY action, source"
        )
        found = Counter({(action, source): count for action, source, count in rows})
        assert found["keys.key.rotated", "scheduler"]
        return found

    def touches(self) -> list[Any]:
        from canaries.sealed import journal  # noqa: PLC0415 - needs Django

        records = (record for each in journal.read() for record in each.page.records)
        return [record.facts["touch"] for record in records if record.word == "canary.touched"]

    def notices(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in list(self.receiver.requests)]

    def tell(self, text: str) -> None:
        log(f"{time.monotonic() - self.began:6.1f} s  {text}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=50_000, help="of programs in the day (50000)")
    parser.add_argument("--hours", type=int, default=HOURS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quiet-day-") as name:
        folder = Path(name)
        context, ca_file = server_context(folder)
        settings = {
            "CC_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "CC_WEBHOOK_CA_FILE": ca_file,
            "CC_AUDIT_ARCHIVE": str(folder / "archive"),
        }
        with installation(folder, **settings) as product, product, serving(Receiver(context)) as receiver:
            Day(product, receiver, folder, options).play(options.hours)
    return 0


if __name__ == "__main__":
    sys.exit(main())
