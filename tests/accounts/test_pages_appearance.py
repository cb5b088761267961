"""The page Appearance: the time zone, whose local times pages show beside UTC."""

from datetime import UTC, datetime

import pytest

from kernel.templatetags import pages
from kernel.time_zones import local_times
from tests.browsing import plain, signed_in

AT = datetime(2026, 12, 2, 18, 52, 7, tzinfo=UTC)
PATH = "/account/appearance/"


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("Europe/Berlin", "19:52 CET"),
        ("Asia/Tokyo", "2026-12-03 03:52 JST"),
        ("America/Sao_Paulo", "15:52 -03"),
    ],
)
def test_the_local_time_follows_the_same_time_in_utc(zone, local):
    with local_times(zone):
        shown = [pages.timestamp(AT), pages.timestamp_with_seconds(AT), pages.exact_timestamp(AT)]
    for each, utc in zip(shown, ("18:52Z", "18:52:07Z", "18:52:07.000000Z"), strict=True):
        assert f' title="{local}">2026-12-02 {utc}<span class="local"> ({local})</span></time>' in each


@pytest.mark.parametrize("zone", ["", "Europe/Atlantis", "../../etc/passwd", "posixrules"])
def test_without_a_known_zone_only_utc_is_shown(zone):
    with local_times(zone):
        assert pages.timestamp(AT) == '<time datetime="2026-12-02T18:52:07Z">2026-12-02 18:52Z</time>'
        assert pages.timestamp(None) == "\u2013"


@pytest.mark.django_db
def test_the_chosen_zone_applies_to_every_page_until_it_is_removed(developer):
    browser, typed = signed_in(developer), {"theme": "system", "shortcuts": "on"}
    assert "CET)" not in plain(browser.get("/home/")).replace("CEST)", "CET)")
    assert browser.post(PATH, {**typed, "time_zone": "Europe/Berlin"}).status_code == 303
    assert "CET)" in plain(browser.get("/home/")).replace("CEST)", "CET)")
    assert browser.get(PATH).context["form"]["time_zone"].value() == "Europe/Berlin"
    assert browser.post(PATH, {**typed, "time_zone": "Europe/Atlantis"}).status_code == 422
    browser.post(PATH, {**typed, "time_zone": ""})
    assert "CET)" not in plain(browser.get("/home/")).replace("CEST)", "CET)")
