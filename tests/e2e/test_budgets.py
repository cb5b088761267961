"""38: the transfer size of the first visit, on a full page of fifty keys."""

import gzip

import pytest

from tests.architecture.sources import ROOT
from tests.e2e.browser import person

FIRST_LOAD, SCRIPTS, STYLES, NODES, SHIFT = 120_000, 25_000, 12_000, 1500, 0.05
KEYS = 50
SHIFTS = """
window.__shift = 0;
new PerformanceObserver((list) => { for (const each of list.getEntries()) window.__shift += each.value; })
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def full(demo):
    """At least fifty keys, so that the first page is full."""
    token = demo.product.token()
    for number in range(KEYS):
        body = {"name": f"budget-{number:02}", "algorithm": "aes-256", "tags": ["prod", "eu"]}
        reply = demo.product.send("POST", "/api/v1/keys", body, token=token)
        assert reply.status in {201, 409}, reply.content
    return demo


def test_the_first_load_keeps_its_budget(chromium, full):
    with person(chromium, full.base) as somebody:
        somebody.sign_in("mira")
        page = somebody.page
        protocol = somebody.context.new_cdp_session(page)
        protocol.send("Network.enable")
        protocol.send("Network.setCacheDisabled", {"cacheDisabled": True})
        kinds, sizes = {}, {}
        protocol.on(
            "Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]})
        )
        protocol.on(
            "Network.loadingFinished",
            lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
        )
        page.add_init_script(SHIFTS)
        somebody.open("/keys/")
        page.wait_for_timeout(500)
        assert page.locator("#key-rows tr").count() >= KEYS
        cost = {
            kind: sum(sizes[each] for each in sizes if kinds.get(each) == kind)
            for kind in set(kinds.values())
        }
        assert sum(sizes.values()) <= FIRST_LOAD, cost
        assert cost["Script"] <= SCRIPTS, cost
        assert cost["Stylesheet"] <= STYLES, cost
        assert page.evaluate("document.getElementsByTagName('*').length") <= NODES
        assert page.evaluate("window.__shift") < SHIFT


def test_the_files_keep_their_budget():
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in ROOT.glob("static/*/app.*")}
    assert sizes["app.js"] <= 4_300
    assert sizes["app.css"] <= STYLES
