import json
import subprocess
import sys
import time
from collections import Counter

import pytest

from bench import fast_path_costs
from tests.product import POSTGRESQL_URL, ROOT

MEASURE = """
import json, sys
from pathlib import Path
from bench import fast_path_costs, product, watch
from bench.contestant import ENCRYPT

with product.running("CipherCanary", Path(sys.argv[1]), "protocol") as ours:
    used = watch.used()
    request = ours.request(ENCRYPT)
    ours.product.stop()
    print(json.dumps([used, *fast_path_costs.by_module(ours, request, 2)]))
"""


@pytest.mark.process
@pytest.mark.skipif(not POSTGRESQL_URL, reason="the fast path writes by itself on PostgreSQL")
def test_the_fast_path_responds_inside_one_process_and_its_modules_share_what_it_costs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("costs")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder / "product")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    used, total, parts = json.loads(done.stdout.splitlines()[-1])
    assert set(used) == set(fast_path_costs.KINDS)
    assert all(seconds > 0 for seconds in used.values())
    shares = dict(parts)
    assert {"crypto_ops/fast_path/serving.py", "crypto_ops/encryption/wire.py"} <= set(shares)
    assert 10 < total < 10_000, "microseconds"
    assert sum(shares.values()) == pytest.approx(total)


def test_samples_fall_where_the_processor_is_busy_and_not_where_it_waits():
    samples = Counter()
    with fast_path_costs.sampling(samples):
        time.sleep(0.1)
        waiting = samples.total()
        until = time.process_time() + 1
        while sum(samples.values()) < waiting + 20:  # total() is Python code of another file
            assert time.process_time() < until
    assert waiting <= 3
    assert samples.most_common(1)[0][0] == "tests/bench/test_fast_path_costs.py"
    busy = samples.total()
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert samples.total() == busy, "it ends with the block"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (ROOT / "crypto_ops" / "fast_path" / "serving.py", "crypto_ops/fast_path/serving.py"),
        (ROOT / "bench" / "fast_path_costs.py", "fast_path_costs.py"),
        ("/somewhere/lib/python3.13/site-packages/msgspec/json.py", "msgspec"),
        ("/somewhere/lib/python3.13/uuid.py", "uuid.py"),
        ("<string>", "<string>"),
    ],
)
def test_a_module_is_called_by_its_path_or_its_package(path, name):
    assert fast_path_costs.module_of(str(path)) == name
