"""Requests for RSA keys do not stop a server, however many there are and however long they take."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from tests.product import Product
from tests.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.database]

MANY = 24
PLACES = 2  # a quarter of the eight threads
LOCK_WAIT = 0.5  # seconds


def rsa_process(product):
    [pid] = product.processes_of("kernel.rsa.program")
    return pid


def test_many_requests_for_rsa_keys_leave_threads_to_others_and_are_not_late(tmp_path):
    with Product(tmp_path, CC_THREADS="8", CC_LOCK_WAIT_SECONDS=str(LOCK_WAIT)) as product:
        token, other = product.token(), product.create_user("dora", "developer")
        body = {"name": "sealing", "algorithm": "aes-256"}
        key = product.send("POST", "/api/v1/keys", body, token=token).json["id"]
        pair = {"key_id": key, "key_pair": "rsa-3072", "plaintext": False}

        def ask():
            return product.send("POST", "/api/v1/data-keys", pair, token=token)

        assert product.processes_of("kernel.rsa.program") == set()
        assert ask().status == 200
        pid = rsa_process(product)
        os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor(MANY) as pool:
            done = as_completed([pool.submit(ask) for _ in range(MANY)])
            refused = [next(done).result() for _ in range(MANY - PLACES)]
            assert {(each.status, each.code, each.headers["Retry-After"]) for each in refused} == {
                (503, "overloaded", "1")
            }
            assert product.send("GET", "/api/v1/keys", token=other).status == 200
            time.sleep(LOCK_WAIT * 3)  # the wait limit of a commit begins after the generation
            os.kill(pid, signal.SIGCONT)
            assert [each.result().status for each in done] == [200] * PLACES

        [worker] = product.processes_of("gunicorn: worker")
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not product.processes_of("kernel.rsa.program"))
        wait_until(lambda: product.responds() and ask().status == 200)
        rsa_process(product)
        assert product.stop() == 0
        assert product.processes() == set()
