"""Measures how long an administrator waits for ``GET /keys`` while one developer searches the log in parallel.

    python -m bench.searches                                  # on SQLite
    python -m tests.services python -m bench.searches         # on PostgreSQL

It serves its own product, fills the log with entries of the developer, and stops by itself. To compare two source
trees, run it in both.
"""

import argparse
import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import quote

from tests.product import Product

KEYS, LOG = "/api/v1/keys", "/api/v1/audit/logs"
PRESENT, ABSENT = "alpha beta gamma delta epsilon zeta eta", "omega"
# Every entry contains all words but the last at the end of its last text, so each search reads all entries completely.
SEARCH = f"{LOG}?from=2000-01-01T00:00:00Z&search={quote(f'{PRESENT} {ABSENT}')}"
FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {entries})
INSERT INTO audit_logs (id, event_id, timestamp, user_id, actor_type, actor_name, auth_method, token_id, client_ip,
    user_agent, source, action, object_type, object_id, outcome, code, request_id, count, meta, writer, wseq, mac)
SELECT (SELECT size + id_shift FROM audit_tree) + n, {id}, {time}, (SELECT id FROM users WHERE username = 'developer'), 'user', 'developer', 'password+totp', 'a-token',
    '192.0.2.7', 'python-requests/2.32.5', 'api', 'crypto.message.encrypted', 'key', 'a-key', 'ok', '',
    'request-' || n, 1, '{{"text":"{text}"}}', '0b9b28ee-1b5c-4b6e-9a35-6f35c6c4b2f1', n, 'x'
FROM numbers
"""
SQLITE = {
    "id": "lower(hex(randomblob(16)))",
    "time": "strftime('%Y-%m-%d %H:%M:%f000', 'now', (n - {entries}) || ' seconds')",
}
POSTGRESQL = {"id": "gen_random_uuid()", "time": "now() + (n - {entries}) * interval '1 second'"}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.searches", description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000, help="of the log (200,000)")
    parser.add_argument("--parallel", type=int, default=16, help="searches at once (16)")
    parser.add_argument("--seconds", type=int, default=20, help="of the load (20)")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder, Product(Path(folder)) as product:
        developer = product.create_user("developer", "developer")
        fill(product, options.entries)
        admin = product.token()
        report("alone", waits(product, admin, 3))
        with searching(product, developer, options.parallel, options.seconds) as responses:
            time.sleep(1)
            report(f"beside {options.parallel} searches", waits(product, admin, options.seconds - 1))
        print(f"searches succeeded: {dict(responses)}")
    return 0


def fill(product: Product, entries: int) -> None:
    """Add entries of the developer. They have no place in the tree, and the sequencer continues after their ids."""
    database = POSTGRESQL if product.database else SQLITE
    values = {name: text.format(entries=entries) for name, text in database.items()}
    product.query(FILL.format(entries=entries, text=f"{'x' * 200} {PRESENT}", **values))
    product.query("UPDATE audit_tree SET id_shift = (SELECT max(id) FROM audit_logs) - size")
    product.query("ANALYZE")


def waits(product: Product, token: str, seconds: float) -> list[float]:
    """The duration in seconds of each of the administrator's requests, sent one after the other."""
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        response = product.send("GET", KEYS, token=token)
        assert response.status == 200, response.content  # noqa: S101 - like the product class of the tests
        taken.append(time.monotonic() - began)
    return taken


@contextlib.contextmanager
def searching(product: Product, token: str, parallel: int, seconds: float) -> Iterator[Counter[str]]:
    """Search repeatedly in ``parallel`` threads of the developer. Yields the count of each status and code."""
    responses: Counter[str] = Counter()
    end = time.monotonic() + seconds

    def search() -> None:
        while time.monotonic() < end:
            response = product.send("GET", SEARCH, token=token)
            responses["200" if response.status == 200 else f"{response.status} {response.code}"] += 1

    threads = [threading.Thread(target=search) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    yield responses
    for thread in threads:
        thread.join()


def report(what: str, taken: Sequence[float]) -> None:
    print(
        f"GET /keys {what}: {len(taken)} responses, median {median(taken) * 1000:,.0f} ms, slowest "
        f"{max(taken) * 1000:,.0f} ms",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
