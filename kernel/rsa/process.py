"""Generation and checks of RSA keys, which take up to seconds of a core.

A web process leaves them to a process of its own, for a few requests at a time, so that all other requests still find
threads and a core. The check whether the factors of a key are prime would even stop the event loop, because the library
holds Python's global lock meanwhile. Commands and job workers work in their own threads, without limits and charges.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from kernel import throttle
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import key_checks
from kernel.databases import lock_waits
from kernel.databases.transactions import release_connections
from kernel.errors import Overloaded
from kernel.identities import Identity
from kernel.observability.metrics import rsa_requests_total
from kernel.rsa import program as rsa_program
from kernel.rsa.child import RsaProcess
from kernel.runtime import ProcessState

_THREADS_PER_PLACE: Final = 4
# In requests: about one for each millisecond of a core, so that a principal with the default budget uses a tenth of one.
GENERATION_COST: Final[Mapping[str, int]] = MappingProxyType(
    {"rsa-2048": 50, "rsa-3072": 150, "rsa-4096": 500}
)
CHECK_COST: Final[Mapping[str, int]] = MappingProxyType({"rsa-2048": 40, "rsa-3072": 120, "rsa-4096": 300})


def begin(threads: int) -> None:
    """From now on, use the RSA process. ``threads``: those of requests, most of which must stay free for others."""
    _state.current.process = RsaProcess(places_of(threads))


def places_of(threads: int) -> int:
    """How many of the threads may wait for the RSA process: a quarter, and at least one."""
    return max(1, threads // _THREADS_PER_PLACE)


def is_rsa(algorithm: str) -> bool:
    """Whether keys with this algorithm are generated and checked here."""
    return algorithm.startswith("rsa-")


def generate(algorithm: str, payer: Identity) -> tuple[KeyMaterial, bytes]:
    """A new private key and its public key, as ``key_pairs.generate``; for RSA, ``payer`` pays. Call it outside transactions.

    Raises Overloaded and Throttled, for RSA only.
    """
    process = _state.current.process
    if process is None or not is_rsa(algorithm):
        return key_pairs.generate(algorithm)
    request = rsa_program.GENERATE + algorithm.encode()
    document = _ask(process, request, GENERATION_COST[algorithm], payer)
    return key_pairs.pair_of(algorithm, KeyMaterial(document))


def check(algorithm: str, material: KeyMaterial, payer: Identity) -> None:
    """``key_checks.check_rsa`` for a key with an RSA algorithm; ``payer`` pays. Raises WrongKey, Overloaded, Throttled."""
    process = _state.current.process
    if process is None:
        key_checks.check_rsa(material.expose())  # noqa: CC1 - the RSA process checks an imported key
        return
    request = rsa_program.CHECK + material.expose()  # noqa: CC1 - the RSA process checks an imported key
    if _ask(process, request, CHECK_COST[algorithm], payer) != rsa_program.VALID:
        raise WrongKey(key_checks.NOT_RSA)


def _ask(process: RsaProcess, request: bytes, cost: int, payer: Identity) -> bytes:
    with _counted(), process.place():
        throttle.raise_charge(payer.budget, cost)
        release_connections()
        try:
            with lock_waits.paused():
                return process.ask(request)
        except Overloaded:
            throttle.refund_principal(payer.budget, cost - 1)
            raise


@contextmanager
def _counted() -> Iterator[None]:
    try:
        yield
    except Overloaded:
        rsa_requests_total.labels("overloaded").inc()
        raise
    rsa_requests_total.labels("completed").inc()


class _State:
    """``process``: None where there are no requests to protect."""

    def __init__(self) -> None:
        self.process: RsaProcess | None = None

    def close(self) -> None:
        if self.process is not None:
            self.process.close()


_state = ProcessState(_State)
for _result in ("completed", "overloaded"):
    rsa_requests_total.labels(_result)
