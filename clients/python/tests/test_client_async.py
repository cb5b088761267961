"""The asynchronous client: it sends the requests of the other one."""

import asyncio

import pytest
from client_responses import KEY, LOST, PROBLEM, URL, b64, sealed

from ciphercanary_client import Signature


def test_the_asynchronous_client_sends_the_same_requests(client, server, make_async_client, paths):
    source, target = paths
    signed = {"signature": b64(b"sig"), "signing_algorithm": "ed25519", "key_id": KEY["id"], "key_version": 3}
    coded = {"mac": b64(b"mac"), "algorithm": "hmac-sha256", "key_id": KEY["id"], "key_version": 1}
    rotated = {"id": "1", "new_key_id": KEY["id"], "old_version": 1, "new_version": 2}
    made = {"ciphertext": "cc1.AAAA", "algorithm": "aes-256-gcm", "key_id": KEY["id"], "key_version": 1}
    responses = [
        *[(200, KEY), (503, PROBLEM), LOST, (200, {"ciphertext": "cc1.A"})],
        *[(200, {"data": b64(b"m")}), (200, signed), (200, {"valid": True})],
        *[(200, coded), (200, {"valid": True})],
        *[(200, {**made, "plaintext": b64(bytes(32))})] * 2,
        *[(201, KEY), (200, {"results": [KEY], "next": None}), (201, rotated)],
        *[(200, {"x": 1}), "vkey"],
        *[(503, PROBLEM), sealed(500_000)],
        bytes(500_000),
    ]

    def used(client):
        """Each step is a value, or something to await."""
        yield client.encrypt("name:orders", b"hello")
        yield client.decrypt("cc1.A")
        signature = Signature.of(b"sig", "ed25519", KEY["id"], 3)
        yield client.sign("name:releases", b"m", "ed25519")
        yield client.verify("name:releases", b"m", signature)
        yield client.mac("name:webhooks", b"m")
        yield client.verify_mac("name:webhooks", b"m", signature)
        yield client.data_key("name:orders")
        yield client.envelope("name:orders").encrypt(b"")
        yield client.create_key("orders")
        yield client.keys()
        yield client.rotate("name:orders", "scheduled")
        yield client.call("GET", "/x")
        yield client.text("/y")
        yield client.encrypt_file("name:orders", source, target)
        yield client.decrypt_file(target, source)

    async def value_of(step):
        return [key async for key in step] if hasattr(step, "__aiter__") else await step

    async def use():
        async with make_async_client() as other:
            assert repr(other) == f"AsyncClient('{URL}')"
            return [await value_of(step) for step in used(other)]

    server.will_respond(*responses)
    found = asyncio.run(use())
    theirs = [(request.method, str(request.url), request.content) for request in server.requests]

    source.write_bytes(b"plain" * 100_000)
    server.requests.clear()
    server.will_respond(*responses)
    ours = [list(step) if hasattr(step, "__next__") else step for step in used(client)]
    assert [(request.method, str(request.url), request.content) for request in server.requests] == theirs
    without_envelope = [index for index in range(len(ours)) if index != 7]
    assert [found[index] for index in without_envelope] == [ours[index] for index in without_envelope]


def test_a_cancelled_file_leaves_nothing(server, make_async_client, paths):
    source, target = paths

    async def respond(_):
        await asyncio.sleep(60)

    async def use():
        async with make_async_client() as client:
            client._http._transport.handler = respond
            task = asyncio.create_task(client.encrypt_file("name:orders", source, target))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(use())
    assert [path.name for path in source.parent.iterdir()] == ["source"]
