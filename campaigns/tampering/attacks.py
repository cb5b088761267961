"""Manipulate rows, schema, catalog and settings with SQL alone under a running server, and list what finds each manipulation.

    python -m campaigns.tampering.attacks [--groups rows,log] [--only TEXT]

runs on SQLite; inside ``python -m tests.services`` on PostgreSQL. The attacker has no key, but knows the code, has older copies of all
rows, and restores the triggers of the log after each change. The attacks of a group share a copy of an installation with the data of
``load_demo``. Those of the group ``alone`` have one each, which is also restarted if they concern keys or migrations. After at most
``LATEST`` seconds for the alarms, ``verify_audit_log`` runs. The campaign takes about 25 minutes for each database.

A line of the result has the group, the name, all that found the attack with the seconds, and the words of
``docs/threat-model.md`` by which nothing needs to find it. The campaign ends with 1 if an attack without such words was found by
nothing. A setting has no effect if the sessions of the server set it themselves.
"""

import argparse
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

import psycopg

from campaigns.tampering.attack_list import Attack, attacks
from tests.output import log
from tests.product import (
    PASSWORD,
    POSTGRESQL_URL,
    ROOT,
    Failed,
    Product,
    continue_from,
    name_of,
    new_database,
)

LATEST = 300.0  # seconds until an alarm
QUIET = 30.0  # for attacks about which no alarm is promised
ALONE = 12.0  # likewise, before and after a restart
# A server of the group ``alone`` is restarted after an attack on these.
RESTARTED = re.compile("system_keys|key_encryption_keys|django_migrations")
# Groups, and those that share a server.
GROUPS = ("rows", "rows and heads", "heads", "log", "rest", "schema", "settings", "alone")
SERVERS = (("schema",), ("settings",), ("heads", "log", "rest"), ("rows",), ("rows and heads",), ("alone",))


class Target:
    """A copy of the prepared installation under attack."""

    def __init__(self, source: Product, folder: Path, quiet: float) -> None:
        """``quiet`` is the time to wait for alarms that are not promised, in seconds."""
        self._quiet = quiet
        self.product = Product(
            folder, database=new_database(source) if POSTGRESQL_URL else "", is_new=True, redis=False
        )
        continue_from(source.home, self.product.home)
        self.product.start_seconds = 90
        self._sessions: list[psycopg.Connection] = []  # temporary tables last as long as these
        self._known: set[object] = set()
        self.token = ""

    def __enter__(self) -> Self:
        self.product.start()
        self.token = self.product.token()
        if self._quiet == QUIET:
            time.sleep(ALONE)  # the worker has compared once
        self._known = {row[0] for row in self._alarms()}
        return self

    def __exit__(self, *details: object) -> None:
        for session in self._sessions:
            session.close()
        self.product.__exit__(*details)

    def attack(self, attack: Attack) -> None:
        """The attacker's statements. The triggers of SQLite are the same before and afterwards."""
        sql = attack.sql.replace("{database}", name_of(self.product.database))
        if "{columns}" in sql:
            sql = sql.replace("{columns}", self._columns(attack.table or "old_audit_bundles"))
        attack.at = time.monotonic()
        if self.product.database:
            session = psycopg.connect(self.product.database, autocommit=True)
            self._sessions.append(session)
            if attack.group != "schema":
                session.execute("SET session_replication_role = replica")
            session.execute(sql)  # type: ignore[arg-type]  # a constant
            return
        with closing(sqlite3.connect(self.product.sqlite_file, timeout=20, autocommit=True)) as file:
            triggers = (
                [] if attack.group in {"schema", "settings"} or "writable_schema" in sql else self._triggers()
            )
            drops = "".join(f"DROP TRIGGER {name};" for name, _ in triggers)
            again = "".join(f"{definition};" for _, definition in triggers)
            file.executescript(f"BEGIN IMMEDIATE; {drops} {sql} {again} COMMIT" if triggers else sql)

    def _triggers(self) -> list[tuple[str, str]]:
        return self.product.query("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")

    def _columns(self, table: str) -> str:
        if self.product.database:
            with psycopg.connect(self.product.database) as session:
                found = session.execute(f"SELECT * FROM {table} LIMIT 0").description  # type: ignore[arg-type]  # noqa: S608
        else:
            with closing(sqlite3.connect(self.product.sqlite_file)) as file:
                found = file.execute(f"SELECT * FROM {table} LIMIT 0").description  # noqa: S608 - constants
        return ", ".join(
            column[0] for column in found or () if not (table.endswith("bundles") and column[0] == "id")
        )

    def use(self, attack: Attack) -> None:
        """Send the request that uses the row, or one that uses much, and note a refusal."""
        if not attack.path:
            body = {"name": "made-under-attack", "algorithm": "aes-256"}
            reply = self.product.send("POST", "/api/v1/keys", body, token=self.token)
        elif attack.path == "/auth/login":
            [(name,)] = self.product.query(f"SELECT username FROM {attack.table}")  # noqa: S608 - constants
            reply = self.product.send("POST", attack.path, {"username": name, "password": PASSWORD})
        else:
            key = "kid" if "signing" in attack.table else "id"
            [(row,)] = self.product.query(f"SELECT CAST({key} AS text) FROM {attack.table}")  # noqa: S608 - constants
            path = attack.path.format(id=uuid.UUID(row) if key == "id" else row)
            reply = self.product.send("GET", path, token=self.token)
        if reply.status == 503:
            attack.note("503 at use")
        else:
            log(f"{reply.status} at use after {attack.name}")

    def await_alarms(self, found: Sequence[Attack]) -> None:
        self.product.send("GET", "/api/v1/audit/logs?limit=200", token=self.token)  # reads compare entries
        latest = time.monotonic() + (LATEST if any(each.promises_alarm for each in found) else self._quiet)
        left = list(found)
        while left and time.monotonic() < latest:
            time.sleep(1)
            for row, kind, *texts in self._alarms():
                if row in self._known:
                    continue
                for attack in list(left):
                    is_of_schema = attack.group == "schema" and kind == "schema_altered"
                    if is_of_schema or re.search(attack.sign, " ".join(map(str, [kind, *texts]))):
                        attack.note(f"alarm {kind} after {time.monotonic() - attack.at:.0f} s")
                        left.remove(attack)
            if all(not each.promises_alarm for each in left):
                latest = min(latest, max(time.monotonic(), max(each.at for each in found) + self._quiet))

    def _alarms(self) -> list[tuple]:
        try:
            return self.product.query("SELECT id, kind, log_id, expected, found FROM audit_alarms")
        except (sqlite3.Error, psycopg.Error):
            return []  # the attack has hit this, too

    def verify(self, found: Sequence[Attack]) -> None:
        done = self.product.manage("verify_audit_log", "--json")
        if done.returncode == 2:
            for attack in found:
                attack.note(f"verify_audit_log cannot run: {last_line(done.stderr)}")
                attack.is_named = True
            return
        report = json.loads(done.stdout)
        for finding in report["findings"]:
            text = " ".join(str(value) for value in finding.values())
            for attack in found:
                if finding["kind"] != "alarm" and re.search(attack.sign, text):
                    attack.note(f"finding {finding['kind']}")
                    attack.is_named = True
        log(f"verify_audit_log: {report['counts']}")

    def restart(self, attack: Attack) -> None:
        self.product.stop()
        try:
            self.product.start()
        except Failed as failed:
            attack.note(f"start refused: {last_line(str(failed))}")
            attack.is_named = True
            return
        self._known = set()
        self.await_alarms([attack])

    def settings(self) -> dict[str, str]:
        """Those of a session of the server."""
        code = (
            "import django, json; django.setup(); from django.db import connection; c = connection.cursor(); "
            "c.execute('SELECT name, setting FROM pg_settings'); print(json.dumps(dict(c.fetchall())))"
        )
        environment = self.product.environment | {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings"}
        command = [sys.executable, "-c", code]
        return json.loads(subprocess.check_output(command, env=environment, cwd=ROOT, text=True))


def last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:150]


def run(source: Product, folder: Path, found: Sequence[Attack]) -> None:
    with Target(source, folder, ALONE if found[0].group == "alone" else QUIET) as target:
        before = target.settings() if found[0].group == "settings" and target.product.database else {}
        for attack in found:
            try:
                target.attack(attack)
            except (sqlite3.Error, psycopg.Error) as error:
                attack.note(f"refused by the database: {last_line(str(error))}")
                continue
            if attack.path or attack.group == "alone":
                target.use(attack)
        tried = [
            attack for attack in found if attack.at and not any("refused by" in text for text in attack.found)
        ]
        target.await_alarms(tried)
        target.verify(tried)
        after = target.settings() if before else {}
        if found[0].group == "alone" and RESTARTED.search(found[0].sql):
            target.restart(found[0])
        for attack in tried:
            if attack.group == "schema" and "finding schema" not in attack.found:
                attack.found = [
                    text for text in attack.found if not text.startswith("alarm")
                ]  # it is about the others
            if before and before.get(attack.sign) == after.get(attack.sign):
                attack.note("no effect: sessions of the server set it")


def prepare(folder: Path) -> Product:
    source = Product(folder, has_demo=True)
    command = [sys.executable, "-m", "campaigns.tampering.older_rows"]
    subprocess.run(command, env=source.environment, cwd=ROOT, check=True)
    return source


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", default=",".join(GROUPS), help="(all)")
    parser.add_argument("--only", default="", help="attacks with this text in their name")
    options = parser.parse_args()
    rests = " ".join((ROOT / "docs/threat-model.md").read_text(encoding="utf-8").split())
    every = [
        each for each in attacks() if each.group in options.groups.split(",") and options.only in each.name
    ]
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        source = prepare(Path(name) / "source")
        for groups in SERVERS:
            shared = [each for each in every if each.group in groups]
            for number, found in enumerate([[each] for each in shared] if groups == ("alone",) else [shared]):
                if found:
                    run(source, Path(name) / f"{groups[0]}-{number}", found)
                for attack in found:
                    log(
                        f"{attack.group} | {attack.name} | {'; '.join(attack.found) or 'NOTHING'} | {attack.rest}"
                    )
    missed = [each for each in every if not each.found]
    for attack in missed:
        log(
            f"found by nothing: {attack.group}: {attack.name}{' (' + attack.rest + ')' if attack.rest else ''}"
        )
    log(f"{len(every)} attacks, {len(missed)} found by nothing")
    return int(any(not each.rest or each.rest not in rests for each in missed))


if __name__ == "__main__":
    sys.exit(main())
