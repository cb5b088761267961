"""Kills the web worker under load, and counts the responses that have no record."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from bench import load
from bench.contestant import ENCRYPT
from bench.product import CipherCanary
from bench.requests import Refused, Request

CONNECTIONS: Final = 32
SECONDS: Final = 6  # of the load; the kill is in the middle
RECOVERY_SECONDS: Final = 60


@dataclass(frozen=True)
class Kill:
    """``succeeded`` requests, ``lost`` records of them, and the seconds from the kill to the next response."""

    succeeded: int
    lost: int
    seconds: float


def measure(product: CipherCanary) -> Kill:
    request = product.request(ENCRYPT)
    before = product.recorded_encryptions()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load.run, request, CONNECTIONS, SECONDS)
        time.sleep(SECONDS / 2)
        for pid in product.workers():
            os.kill(pid, signal.SIGKILL)
        seconds = seconds_to_response(request)
        succeeded = loading.result().succeeded
    product.settle()
    recorded = product.recorded_encryptions() - before - 1  # the request of ``seconds_to_response``
    return Kill(succeeded, max(0, succeeded - recorded), seconds)


def seconds_to_response(request: Request) -> float:
    began = time.monotonic()
    while time.monotonic() - began < RECOVERY_SECONDS:
        try:
            request.send()
        except (OSError, Refused):
            time.sleep(0.02)
        else:
            break
    return time.monotonic() - began
