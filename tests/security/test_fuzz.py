"""A few generated requests to every operation in every role; ``campaigns.security.fuzz`` sends any number."""

import json

import pytest

from campaigns.security.fuzz import Fuzz
from tests.product import Product

pytestmark = [
    pytest.mark.process,
    pytest.mark.postgresql,
]  # what is generated does not depend on the database


def test_no_generated_request_gets_an_undocumented_response(tmp_path):
    with Product(tmp_path, has_demo=True) as product:
        report = Fuzz(product, seed=1).run(examples=2)
        document = product.send("GET", "/api/schema/").json
    assert len(report.operations) == sum(map(len, document["paths"].values()))
    assert not report.deviations, json.dumps(list(report.samples.values()), indent=1)
