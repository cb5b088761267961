"""The key-encryption key of a serving installation is rotated, while rewraps in other processes are killed."""

import pytest

from campaigns.kek.campaign import campaign
from tests.product import Product

pytestmark = [pytest.mark.process, pytest.mark.database]


def test_a_rotation_with_killed_and_simultaneous_rewraps_loses_nothing(tmp_path):
    with Product(tmp_path, CC_JOB_LEASE_SECONDS="2") as product:
        campaign(product, versions=600, kills=1)
