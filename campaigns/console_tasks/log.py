"""Tasks with the audit log, the search of everything, and the user's own settings."""

from campaigns.console_tasks.hand import Hand, Task
from tests.product import Product

FIELD = "Search everything"


def search_log(text: str, *words: str) -> Task:
    """Until the list has entries, each with these words."""

    def search(hand: Hand) -> None:
        hand.go("Audit")
        hand.type("Search", text)
        with hand.page.expect_response(lambda response: "/audit/?" in response.url):
            hand.press_enter("Search")
        hand.page.locator("#log-results .chips, #log-results .hint, #log-results .empty").first.wait_for()
        rows = hand.page.locator("#log-rows tr:has(a[id^=entry-])").all_inner_texts()
        assert rows, f"no entries for {text}"
        assert all(word in row.lower() for word in words for row in rows), rows

    return Task(f"search the log for “{text}”", search)


def find_key(hand: Hand) -> None:
    hand.type(FIELD, "payout-iban")
    hits = hand.page.locator("#search-hits")
    hand.take(hits.get_by_role("link", name="payout-iban", exact=True))
    hand.page.wait_for_url("**/keys/payout-iban/")


def open_tag(hand: Hand) -> None:
    hand.type(FIELD, "kyc")
    hits = hand.page.locator("#search-hits")
    hand.take(hits.get_by_role("link", name="kyc", exact=True))
    hand.page.wait_for_url("**/keys/?tag=kyc")
    assert hand.page.locator("#key-rows th a.mono").all_inner_texts() == ["merchant-kyc-documents"]


def find_request(hand: Hand) -> None:
    hand.type(FIELD, hand.given)
    hits = hand.page.locator("#search-hits")
    hand.take(hits.get_by_role("region", name="Requests").or_(hits).get_by_role("link").first)
    hand.page.locator("#log-rows").get_by_text("Generate random bytes").first.wait_for()


def make_request(product: Product) -> str:
    """The ID of a request, as the log of an application has it."""
    reply = product.send("POST", "/api/v1/random", {"bytes": 16}, token=product.token("mira"))
    return str(reply.headers["X-Request-ID"])


def verify(hand: Hand) -> None:
    """The whole log, as a job, up to its result."""
    hand.go("Audit", "Checkpoints")
    hand.click("link", "Verify the whole log")
    hand.take(hand.dialog.get_by_role("button", name="Start verification"))
    hand.sees("entries verified without findings.")


def export(hand: Hand) -> None:
    """The results of a search, up to the downloaded file."""
    hand.go("Audit")
    hand.type("Search", "denied")
    hand.press_enter("Search")
    hand.page.wait_for_url("**outcome=denied**")
    hand.click("link", "Export these results")
    hand.confirm()
    hand.click("button", "Export", exact=True)
    with hand.page.expect_download() as download:
        hand.click("button", "Download")
    assert b"denied" in download.value.path().read_bytes()


def choose_time_zone(hand: Hand) -> None:
    hand.open_account("Appearance")
    hand.choose("Time zone", "Asia/Tokyo")
    hand.click("button", "Save")
    hand.page.locator("footer").get_by_text("JST").wait_for()


TASKS = (
    search_log("denied", "denied"),
    search_log("failed sign in", "sign in", "denied"),
    search_log("report-job denied", "report-job", "denied"),
    search_log("payout", "payout"),
    Task("find a key from any page", find_key),
    Task("open a tag", open_tag),
    Task("find a request by its ID", find_request, prepare=make_request),
    Task("verify the whole log", verify),
    Task("export the denied operations", export, confirms=True),
    Task("choose a time zone", choose_time_zone),
)
