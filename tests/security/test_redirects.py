"""No parameter leads a browser to another site. Tests of the pages show that each of them uses ``next_url``."""

import pytest
from django.http import HttpResponseRedirect
from django.test import RequestFactory

from kernel.pages.views import next_url
from tests.security.responses import is_of_ours

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/\r\nLocation: https://evil.example",
    "http:evil.example",
    "https:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "@evil.example",
    "/\x00//evil.example",
    "http://testserver/home/",  # our own, but not a path
    "http://[evil.example/",
    "//user@evil.example:80/",
    "\u2028//evil.example",
]


@pytest.mark.parametrize("asked", ELSEWHERE, ids=ascii)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_target_on_another_site_becomes_a_path_of_ours(method, asked):
    request = getattr(RequestFactory(), method)("/login/", {"next": asked})
    location = HttpResponseRedirect(next_url(request, "/home/"))["Location"]
    assert is_of_ours(location)
    assert location == "/home/" or location.startswith(
        "/%0"
    )  # a control character remains a part of the path


@pytest.mark.parametrize("asked", ["/keys/", "/keys/?search=a%2Fb", "/audit/?q=https://a.example//b"])
def test_a_path_of_ours_is_kept(asked):
    request = RequestFactory().get("/login/", {"next": asked})
    assert next_url(request, "/home/") == asked
    assert is_of_ours(asked)
