"""The short form of ``campaigns.crash.campaign``: after a kill, all data is present and intact."""

import pytest

from campaigns.crash.campaign import find_violations, kill_under_load
from campaigns.crash.load import Acknowledged
from tests.product import Product

pytestmark = pytest.mark.process

LEASE = "8"  # seconds: the export of the killed worker is taken over after it


@pytest.mark.smoke
@pytest.mark.database
def test_kill_9_leaves_nothing_half_made_and_the_search_finds_what_is_wrong(tmp_path):
    everything = Acknowledged()
    with Product(tmp_path, CC_JOB_LEASE_SECONDS=LEASE) as product:
        kill_under_load(product, everything, changes=100, seed=1)
        assert find_violations(product, everything) == []
        assert len(everything.versions) > 20
        assert everything.ciphertexts
        violations = damage(product, everything)
        found = "\n".join(find_violations(product, everything))
    assert [words for words in violations if words not in found] == []


def damage(product, everything):
    """Alter one key of the database and what was acknowledged; return what the search must find."""
    key_id = everything.versions[0][0]
    token = product.token()
    rotated = product.send("POST", f"/api/v1/keys/{key_id}/rotate", {"reason": "test"}, token=token)
    version = rotated.json["new_version"]
    everything.versions.append((key_id, version + 1))
    everything.requests.append("never-seen")
    it = f"'{key_id if product.database else key_id.replace('-', '')}'"
    product.query("DELETE FROM key_rotations")
    product.query(f"UPDATE encryption_keys SET name = 'renamed' WHERE id = {it}")  # noqa: S608 - our own id
    first = f"(SELECT wrapped FROM key_versions WHERE key_id = {it} AND version = 1)"  # noqa: S608
    changed = f"is_primary = false, wrapped = {first}"
    product.query(f"UPDATE key_versions SET {changed} WHERE key_id = {it} AND version = {version}")  # noqa: S608
    return [
        "primaries []",
        f"its rotations do not lead to version {version}",
        f"Key {key_id}: its MAC does not hold",
        f"{key_id} version {version}: its material does not open",
        f"{key_id} version {version + 1}: acknowledged and lost",
        "request never-seen: acknowledged, and 0 times on record",
    ]
