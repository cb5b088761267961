"""``campaigns.revocation.client`` on the fast path: concurrent requests in one event loop, each as if over HTTP.

Requests that the fast path leaves to Django are done as Django does: verify the token, and call the engine.
"""

import asyncio
import json
import sys
from http import HTTPStatus

from campaigns.revocation.client import operation_of
from tests.crypto_ops.connections import FastPathConnection

TASKS = 8


async def work(orders, counts) -> None:
    """Encrypt or decrypt continuously, with the latest order."""
    from crypto_ops.fast_path.routes import ROUTES  # noqa: PLC0415
    from kernel.http.fast_path import FastRequest  # noqa: PLC0415 - main() sets Django up

    connection, token = FastPathConnection(), ""
    while not orders.get("ends"):
        if "token" not in orders:
            await asyncio.sleep(0.001)
            continue
        request = FastRequest(
            token=orders["token"], client_ip="192.0.2.1", user_agent="campaign", request_id="r"
        )
        order = dict(orders)
        route = ROUTES["POST", order["path"]]
        if token != order["token"]:
            connection, token = FastPathConnection(), order["token"]
        response = await connection.send(route, request, order["body"])
        if response is not None and response.status != HTTPStatus.OK:
            counts["refused"] += 1  # such as 429 and 503 while the sequencer is behind
        elif response is not None:
            counts["sealed"] += 1
        elif await asyncio.to_thread(is_done_by_django, order):
            counts["sealed"] += 1
            counts["by_django"] += 1
        else:
            counts["refused"] += 1
            await asyncio.sleep(0.01)
        counts["begun"] += connection.begun
        connection.begun = 0


def is_done_by_django(order) -> bool:
    from accounts.origin import Origin  # noqa: PLC0415 - main() sets Django up
    from accounts.tokens.access_tokens import authenticate_bearer  # noqa: PLC0415
    from kernel.errors import DomainError  # noqa: PLC0415

    origin = Origin(client_ip="192.0.2.1", user_agent="campaign", request_id="")
    try:
        operation_of(order)(authenticate_bearer(order["token"], origin))
    except DomainError:
        return False
    return True


async def play() -> dict[str, int]:
    from audit.commit import loop_writer  # noqa: PLC0415 - main() sets Django up

    orders, counts = {}, {"sealed": 0, "refused": 0, "by_django": 0, "begun": 0}
    tasks = [asyncio.create_task(work(orders, counts)) for _ in range(TASKS)]
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        path, body = "/api/v1/decrypt", {"ciphertext": order["ciphertext"]}
        if not order["ciphertext"]:
            path = "/api/v1/encrypt"
            body = {"algorithm": order["mode"], "data": "Y2FuYXJ5", "key_id": order["key_id"]}
        orders.update(order, path=path, body=json.dumps(body).encode())
        print("ready", flush=True)
    orders["ends"] = True
    await asyncio.gather(*tasks)
    await loop_writer.close()
    if counts["sealed"] <= 2 * counts["by_django"] or 2 * counts["begun"] <= counts["sealed"]:
        sys.exit(f"the fast path has done too little: {counts}")
    return counts


def main() -> None:
    import django  # noqa: PLC0415 - the environment comes from the campaign

    django.setup()
    counts = asyncio.run(play())
    from audit.commit import writer  # noqa: PLC0415

    writer.close()
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
