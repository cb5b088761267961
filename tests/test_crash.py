"""The short form of ``tests.crash.campaign``: after two kills, all data is present and intact."""

import pytest

from tests.crash.campaign import find_violations, kill_under_load
from tests.crash.load import Acknowledged
from tests.product import Product

pytestmark = [pytest.mark.process, pytest.mark.database]


def test_kill_9_leaves_nothing_half_made_and_loses_nothing_acknowledged(tmp_path):
    everything = Acknowledged()
    with Product(tmp_path) as product:
        for seed in (1, 2):
            kill_under_load(product, everything, changes=100, seed=seed)
        assert find_violations(product, everything) == []
    assert len(everything.versions) > 50
    assert everything.ciphertexts


def test_the_search_finds_what_is_wrong(tmp_path):
    with Product(tmp_path) as product:
        token = product.token()
        body = {"name": "damaged", "algorithm": "aes-256"}
        key_id = product.send("POST", "/api/v1/keys", body, token=token).json["id"]
        product.send("POST", f"/api/v1/keys/{key_id}/rotate", {"reason": "test"}, token=token)
        told = Acknowledged(versions=[(key_id, 1), (key_id, 2)])
        assert find_violations(product, told) == []

        told.versions.append((key_id, 3))
        told.requests.append("never-seen")
        product.query("DELETE FROM key_rotations")
        product.query("UPDATE encryption_keys SET name = 'renamed'")
        first = "(SELECT wrapped FROM key_versions WHERE version = 1)"
        product.query(f"UPDATE key_versions SET is_primary = false, wrapped = {first} WHERE version = 2")  # noqa: S608
        found = "\n".join(find_violations(product, told))
    for words in (
        "primaries []",
        "its rotations do not lead to version 2",
        f"Key {key_id}: its MAC does not hold",
        f"{key_id} version 2: its material does not open",
        f"{key_id} version 3: acknowledged and lost",
        "request never-seen: acknowledged, and 0 times on record",
    ):
        assert words in found
