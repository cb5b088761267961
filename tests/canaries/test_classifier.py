"""The classifier of ``campaigns.canaries`` names canaries that something gives away, and no others."""

import random

import pytest

from campaigns.canaries.classifier import Classifier, auc
from campaigns.canaries.differences import differences
from campaigns.canaries.dumps import Named, split, traces
from campaigns.canaries.features import features_of
from campaigns.canaries.twins import CANARIES as TWIN_CANARIES
from campaigns.canaries.twins import ORDINARY

CANARIES = range(20)
ID, OTHER = "3f0c8a52-77d1-4a0e-9d57-0b8f5c1f6a11", "91b0a8e4-1c3d-4f43-8f0a-5a6f6b0c2d22"


def noise(seed=1, features=300, objects=220):
    chance = random.Random(seed)  # noqa: S311 - no secret
    return {f"noise {number}": [chance.random() for _ in range(objects)] for number in range(features)}


def test_the_auc_counts_equal_values_half():
    assert auc([2, 3], [1, 2]) == 0.875
    assert auc([1, 1], [1, 1]) == 0.5


@pytest.mark.parametrize("given_away", [20, 10])
def test_canaries_that_one_number_gives_away_are_named(given_away):
    leak = [float(each < given_away) for each in range(220)]
    verdict = Classifier(noise() | {"leak": leak}, seed=1).judge(CANARIES)
    assert verdict.best[0][0] == "leak"
    assert verdict.shares[1] >= 0.9 * given_away / 20


def test_without_a_difference_the_names_are_as_good_as_drawn_by_lot():
    shares = Classifier(noise(), seed=1).judge(CANARIES).shares
    assert all(share < 0.25 for share in shares.values())


def test_a_dump_shows_rows_and_octets_of_an_object():
    one, other = Named(ID, "orders"), Named(OTHER, "ledger")
    version = "5e7a1f0c-0000-4000-8000-000000000001"
    dumped = {
        "versions": (["id", "key_id"], [(version, ID), ("5e7a1f0c-0000-4000-8000-000000000002", OTHER)]),
        "uses": (["version_id", "count"], [(version, 7)]),
        "packed": (["details"], [(b"\x01" + bytes.fromhex(OTHER.replace("-", "")),)]),
        "sealed": (["sealed"], [(b"\x00" + bytes.fromhex(ID.replace("-", ""))[:9],)]),
    }
    found = split(dumped, [one, other])
    assert found.seen[0]["uses.count"] == [7]
    assert ["packed.details" in seen for seen in found.seen] == [False, True]
    assert list(found.rest) == ["sealed.sealed"]
    assert traces(found.rest, [one, other])["sealed.sealed has octets of it"] == [8.0, 0.0]
    assert features_of(found.seen)["uses.count sum"] == [7.0, 0.0]


def test_a_word_of_all_canaries_and_of_no_other_object_is_a_difference():
    plain, marked = "status: 200 active", "status: 200 active watched"
    assert [place for place, _ in differences({"key": [plain] * ORDINARY + [marked] * TWIN_CANARIES})] == [
        "key"
    ]
    assert not list(differences({"key": [plain] * (ORDINARY - 1) + [marked] * (TWIN_CANARIES + 1)}))
