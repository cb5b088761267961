"""Remove protected rows, give them other contents and exchange them, and expect a difference of the state each time.

    python -m campaigns.tampering.state [--rows 300] [--rounds 10] [--fill 100000] [--alarms 6]

runs on SQLite; inside ``python -m tests.services`` on PostgreSQL. Each round takes ``--rows`` random rows of all tables of the
data of ``load_demo``, and tries each kind of manipulation with each of them, without and with the head of the row, in a transaction
that is rolled back. Before and
after each round there must be no difference. ``--fill``: then time a comparison of that many more rows. ``--alarms``: under a running server,
time the alarms for that number of altered tables. It ends with 1 if anything was not noticed.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from campaigns.kek.filling import add
from campaigns.revocation.campaign import database_of_our_own
from tests.output import log
from tests.product import Product

LATEST = 600.0  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("rows", 300), ("rounds", 10), ("fill", 100_000), ("alarms", 6), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    options = parser.parse_args()
    missed = time_alarms(options.alarms)
    with database_of_our_own(has_demo=True):
        missed += manipulate(options)
        time_pass(options.fill)
    return int(missed > 0)


def manipulate(options: argparse.Namespace) -> int:
    """The number of manipulations that made no difference, and of differences without one."""
    from django.db import transaction  # noqa: PLC0415 - models need a set-up Django

    from audit.sequencing.state import protected_models  # noqa: PLC0415
    from audit.sequencing.state_heads import renew_heads  # noqa: PLC0415
    from audit.verification.database.state import check_state  # noqa: PLC0415
    from tests.tampering.altering import execute, query  # noqa: PLC0415

    chance = random.Random(options.seed)  # noqa: S311 - the next row is no secret
    tried = missed = 0
    for _ in range(options.rounds):
        rows = [
            (model, str(key))
            for model in protected_models()
            for (key,) in query(f"SELECT CAST({model._meta.pk.column} AS TEXT) FROM {model._meta.db_table}")  # noqa: S608 - constants
        ]
        missed += len(list(check_state()))
        for model, key in chance.sample(rows, min(options.rows, len(rows))):
            others = [other for which, other in rows if which is model and other != key]
            for statement in statements(model, key, chance.choice(others) if others else key):
                for has_head in (False, True):
                    with transaction.atomic():
                        changed = execute(statement)
                        if has_head:
                            renew_heads(model)  # as an attacker who puts back the head, too
                        is_noticed = model._meta.db_table in " ".join(map(str, check_state()))
                        transaction.set_rollback(True)
                    tried += bool(changed)
                    if changed and not is_noticed:
                        missed += 1
                        log(f"not noticed: {statement}")
        missed += len(list(check_state()))
    log(
        f"{tried} manipulations of {len(rows)} rows in {options.rounds} rounds, {missed} not noticed or false"
    )
    return missed


def statements(model, key: str, other: str) -> list[str]:
    """Remove the row; give it other contents; exchange its contents with those of another row."""
    table, pk, contents = model._meta.db_table, model._meta.pk.column, model.STATE[0]
    is_row, is_other = (f"CAST({pk} AS TEXT) = '{each}'" for each in (key, other))
    found = [f"DELETE FROM {table} WHERE {is_row}"]  # noqa: S608 - constants
    if contents != "row_mac":
        return found
    found.append(f"UPDATE {table} SET row_mac = '1.00000000.older' WHERE {is_row}")  # noqa: S608 - constants
    if other != key:
        own, foreign = (f"(SELECT row_mac FROM {table} WHERE {each})" for each in (is_row, is_other))  # noqa: S608 - constants
        found.append(
            f"UPDATE {table} SET row_mac = CASE WHEN {is_row} THEN {foreign} ELSE {own} END "  # noqa: S608 - constants
            f"WHERE {is_row} OR {is_other}"
        )
    return found


def time_pass(rows: int) -> None:
    """The CPU time of one comparison of all tables."""
    from audit.sequencing.bundles.step import sequence_step  # noqa: PLC0415
    from audit.verification.database.state import check_state  # noqa: PLC0415

    add(rows // 2)  # keys, with a version each
    while sequence_step():
        pass
    began, used = time.monotonic(), time.process_time()
    assert not list(check_state())
    log(
        f"a comparison of {rows} rows: {time.monotonic() - began:.1f} s, of which {time.process_time() - used:.1f} s of CPU here"
    )


def time_alarms(number: int) -> int:
    """The number of altered tables without an alarm."""
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder), has_demo=True) as product:
        for table in (
            "key_grants",
            "users",
            "encryption_keys",
            "service_tokens",
            "token_families",
            "client_secrets",
        ):
            if len(waits) < number and product.query(f"SELECT 1 FROM {table}"):  # noqa: S608 - constants
                product.query(f"UPDATE {table} SET row_mac = '1.00000000.older'")  # noqa: S608 - constants
                waits.append(until_alarm(product, table))
                log(f"{waits[-1]:6.1f} s  {table}")
    log(f"alarm after {statistics.median(waits):.1f} s (median), {max(waits):.1f} s (longest)")
    return sum(wait >= LATEST for wait in waits)


def until_alarm(product: Product, table: str) -> float:
    began = time.monotonic()
    statement = f"SELECT 1 FROM audit_alarms WHERE kind = 'state_altered' AND found LIKE '%{table}%'"  # noqa: S608 - constants
    while time.monotonic() - began < LATEST and not product.query(statement):
        time.sleep(0.2)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
