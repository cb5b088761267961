"""Restart each service of compose.yaml under load, and look for what it acknowledged and then lost.

    python -m campaigns.containers.restarts --url https://localhost:8443 --certificate certificate.pem --rounds 2

``restart`` stops a container with its own signal and starts it again; ``kill`` ends it with SIGKILL first.
"""

import argparse
import json
import sys
import time

from campaigns.containers.published import Published, compose, container, engine
from campaigns.crash.campaign import add, unfinished, unusable
from campaigns.crash.load import GONE, Acknowledged, Load
from tests.output import log
from tests.product import ROOT

SERVICES = ("postgres", "redis", "nginx", "worker", "sequencer", "beat", "prometheus", "web")
RECOVERY_SECONDS = 300
CLIENTS = 8
MAY_REFUSE = {429, 503}


def main() -> int:
    """Return 0 if nothing acknowledged was lost, and clients saw no other refusal than 429 and 503."""
    options = parse()
    service = Published(options.url, options.certificate)
    everything, wrong = Acknowledged(), []
    for number in range(options.rounds):
        for name in options.services:
            for way in ("restart", "kill"):
                wrong += round_of(service, everything, name, way, seed=number)
    log(f"{len(everything.requests)} acknowledged requests, {len(everything.ciphertexts)} ciphertexts")
    wrong += find_violations(service, everything)
    log("\n".join(wrong) or "nothing acknowledged was lost")
    return 1 if wrong else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--services", default=",".join(SERVICES))
    options = parser.parse_args()
    options.services = options.services.split(",")
    return options


def round_of(service: Published, everything: Acknowledged, name: str, way: str, *, seed: int) -> list[str]:
    """One restart under load. Returns the responses that no client should see."""
    with Load(service, service.token(), outlasts=True, seed=seed, clients=CLIENTS) as load:
        load.wait_for(20, RECOVERY_SECONDS)
        before = load.acknowledged.changes
        began = time.monotonic()
        restart(name, way)
        load.wait_for(before + 20, RECOVERY_SECONDS)
        seconds = time.monotonic() - began
        wait_until_ready(service)
    seen = load.acknowledged
    refusals = {status: seen.refusals.count(status) for status in sorted(set(seen.refusals))}
    log(
        f"{name:11} {way:8} {len(seen.requests):6} acknowledged, refused {refusals}, 20 changes within {seconds:.1f} s"
    )
    add(everything, seen)
    return [f"{name}, {way}: {status}" for status in refusals if status not in MAY_REFUSE]


def restart(name: str, way: str) -> None:
    identity = container(name)
    if way == "kill":
        engine("kill", "--signal", "KILL", identity)
        engine("wait", identity)
        engine("start", identity)
    else:
        engine("restart", identity)


def wait_until_ready(service: Published) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not is_ready(service):
        assert time.monotonic() < deadline, "the service does not become ready again"
        time.sleep(0.2)


def is_ready(service: Published) -> bool:
    try:
        return service.send("GET", "/readyz").status == 200
    except GONE:
        return False


def find_violations(service: Published, everything: Acknowledged) -> list[str]:
    """Acknowledged results that the database, the log, a decryption or an export's file contradicts."""
    # An unprivileged user must be able to read the checks, and the image must not contain them.
    in_image = [
        "run",
        "--rm",
        "--no-deps",
        "-T",
        "--volume",
        f"{ROOT}/campaigns:/checks/campaigns:ro",
        "--env",
        "PYTHONPATH=/checks",
    ]
    settings = ["--env", "DJANGO_SETTINGS_MODULE=ciphercanary.settings", "--entrypoint", "python"]
    known = json.dumps(everything.as_json())
    found = compose(
        *in_image, *settings, "prepare", "-m", "campaigns.crash.invariants", typed=known
    ).splitlines()
    compose("run", "--rm", "--no-deps", "-T", "prepare", "manage", "verify_audit_log")
    return [*found, *unusable(service, everything), *unfinished(service, everything)]


if __name__ == "__main__":
    sys.exit(main())
