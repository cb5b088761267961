"""Compare the responses of CipherCanary with those of OpenBao to the same calls.

    python -m conformance.golden URL TOKEN [LIMITED MIGRATING]
    python -m conformance.golden --record

The first form compares a running CipherCanary, whose mount `transit` has no key yet, with the recording in ``golden.json``. TOKEN
may do all that a token may with a mount; LIMITED may only encrypt with the key transit/aes256-gcm96; MIGRATING is a migration
token with all scopes. The calls of a missing token are left out. The second form starts OpenBao, which bin/bench installs, and writes the recording.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.calling import Server, all_calls
from conformance.differences import DIFFERENCES, expected
from conformance.normalising import Normaliser

RECORDING = Path(__file__).with_name("golden.json")
TOKENS = {"<token>": "golden", "<limited>": "limited", "<migrating>": "migrating"}
PATHS = {
    "golden": {
        "transit/*": ["create", "read", "update", "list"],
        "transit/export/*": ["deny"],
        "transit/backup/*": ["deny"],
        "sys/mounts": ["read"],
    },
    "limited": {"transit/encrypt/aes256-gcm96": ["update"]},
    "migrating": {"*": ["create", "read", "update", "delete", "list", "sudo"]},
}
WIDTH = 140  # of a value in the list of differences
NOTHING = "(nothing)"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["--record"]:
            return record()
        case [url, *tokens] if len(tokens) in {1, len(TOKENS)}:
            return compare(responses(url, dict(zip(TOKENS, tokens, strict=False))))
    print(__doc__)
    return 2


def responses(url: str, tokens: Mapping[str, str]) -> dict[str, Any]:
    """The normal form of each response, by the name of its call."""
    server, normaliser, missing = Server(url, tokens), Normaliser(), TOKENS.keys() - tokens.keys()
    return {
        call.name: normaliser.normal(call, server.send(call))
        for call in all_calls()
        if missing.isdisjoint(call.headers.values())
    }


def compare(found: dict[str, Any]) -> int:
    """Print the accepted differences by their reasons, each other difference, and each entry without a difference."""
    recorded = json.loads(RECORDING.read_text())
    problems = [f"{name}\n    accepted, but not a call" for name in DIFFERENCES.keys() - recorded.keys()]
    accepted = Counter[str]()
    for name, ours in found.items():
        theirs = recorded.get(name)
        if name in DIFFERENCES and ours == theirs:
            problems.append(f"{name}\n    accepted, but equal")
        elif ours != (wanted := expected(name, theirs, ours)):
            problems.append("\n    ".join([name, *_differences("", wanted, ours)]))
        elif name in DIFFERENCES:
            accepted[DIFFERENCES[name].reason] += 1
    print(*(f"{number:4} {reason}" for reason, number in accepted.items()), *problems, sep="\n")
    print(f"{len(found)} calls, {accepted.total()} accepted differences, {len(problems)} problems")
    return 1 if problems else 0


def record() -> int:
    from bench.openbao import OpenBaoServer, Request

    with tempfile.TemporaryDirectory() as folder, OpenBaoServer(Path(folder)) as server:

        def post(path: str, body: object) -> Any:
            headers = {"X-Vault-Token": root} if root else {}
            return Request.of_json(server.port, f"/v1/{path}", body, headers).send()

        root = ""
        first = post("sys/init", {"secret_shares": 1, "secret_threshold": 1})
        post("sys/unseal", {"key": first["keys"][0]})
        root = first["root_token"]
        post("sys/mounts/transit", {"type": "transit"})
        post("transit/config/keys", {"disable_upsert": True})  # off by default here
        for name, paths in PATHS.items():
            policy = {"path": {path: {"capabilities": allowed} for path, allowed in paths.items()}}
            post(f"sys/policies/acl/{name}", {"policy": json.dumps(policy)})
            post("auth/token/create", {"id": name, "policies": [name], "ttl": "1h"})
        found = responses(f"http://127.0.0.1:{server.port}", TOKENS)
    lines = [f"{json.dumps(name)}: {json.dumps(response)}" for name, response in found.items()]
    RECORDING.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(found)} calls recorded")
    return 0


def _differences(place: str, wanted: Any, found: Any) -> Iterator[str]:
    match wanted, found:
        case dict(), dict():
            for name in sorted(wanted.keys() | found.keys()):
                yield from _differences(
                    f"{place}.{name}", wanted.get(name, NOTHING), found.get(name, NOTHING)
                )
        case list(), list() if len(wanted) == len(found):
            for at, (one, other) in enumerate(zip(wanted, found, strict=True)):
                yield from _differences(f"{place}[{at}]", one, other)
        case _ if wanted != found:
            yield f"{place}: {json.dumps(wanted)[:WIDTH]} -> {json.dumps(found)[:WIDTH]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
