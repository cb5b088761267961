"""The page of the last scream test of a key."""

from django.http import HttpRequest, HttpResponse

from kernel.rules import Rule
from keys import actions
from keys.pages.views.detail import KeyView
from keys.usage.services.scream_tests import find_scream_test


class ScreamTestView(KeyView):
    """It has a page of its own, because the overview would need more than twelve statements."""

    rules = {"GET": Rule("keys.read", actions.SCREAM_TEST_READ)}
    template = "keys/scream_test.html"

    def get(self, _request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        test = find_scream_test(principal=self.principal, key=key)
        if test is None:
            return self.show(key, test=None)
        until = f"{test.recorded_until:%Y-%m-%dT%H:%M:%SZ}"
        url = self.denied_url_since(key, test.since, to=until)
        # While the test runs, the notice above would show the same number, for two statements.
        counted = {"denied": None} if test.is_running else {}
        return self.show(key, test=test, test_url=url, **counted)
