import uuid
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings

from kernel import runtime, throttle
from kernel.checks import check_networks, check_processes, check_public_url, check_rates
from kernel.errors import Throttled
from kernel.throttle import Rate, parse_rate


@pytest.fixture
def full(monkeypatch):
    """Start and end with full budgets; time stops in between, so nothing is refilled."""
    monkeypatch.setattr(throttle, "time", SimpleNamespace(monotonic=lambda: 1_000_000.0))
    runtime.fresh()
    yield
    runtime.fresh()


@pytest.mark.parametrize(
    ("text", "rate"), [("5/second", Rate(5, 1)), ("100/minute", Rate(100, 60)), ("1/day", Rate(1, 86400))]
)
def test_rates_are_read(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "100", "100/fortnight", "0/minute", "-1/minute", "1.5/minute", "100/minute/2"]
)
def test_an_invalid_rate_is_refused(text):
    with pytest.raises(ValueError, match="100/minute"):
        parse_rate(text)


@pytest.mark.django_db
def test_a_principal_over_their_budget_gets_the_time_to_retry(admin, full):
    with override_settings(CC_THROTTLE_PRINCIPAL="3/minute"):
        responses = [admin.api.get("/api/v1/algorithms") for _ in range(4)]
    assert [response.status for response in responses] == [200, 200, 200, 429]
    assert responses[-1].code == "throttled"
    assert 1 <= int(responses[-1].headers["Retry-After"]) <= 20
    assert [response.headers["RateLimit-Policy"] for response in responses] == ['"principal";q=3;w=60'] * 4
    left = [response.headers["RateLimit"] for response in responses]
    assert left[:2] == ['"principal";r=2;t=20', '"principal";r=1;t=40']
    # The draft, section 6: after waiting for Retry-After, the client has seen the window end.
    assert left[2:] == [f'"principal";r=0;t={responses[-1].headers["Retry-After"]}'] * 2


@pytest.mark.django_db
def test_every_response_to_who_was_charged_shows_what_is_left_and_no_other(admin):
    for response in (admin.api.get(f"/api/v1/keys/{uuid.uuid4()}"), admin.api.post("/api/v1/keys", b"{")):
        assert response.status in {400, 404}
        assert "RateLimit" in response.headers
    admin.api.token = ""
    for response in (admin.api.get("/api/v1/keys"), admin.api.get("/.well-known/jwks.json")):
        assert "RateLimit" not in response.headers


def test_a_window_ends_no_later_than_the_refusal_it_comes_with(settings, full):
    """Refusing an expensive request leaves a budget that is not empty, and is full long after Retry-After."""
    settings.CC_THROTTLE_PRINCIPAL = "60/minute"
    throttle.charge_principal("ada", 31)
    with pytest.raises(Throttled) as refusal:
        throttle.charge_principal("ada", 30)
    retry_after = refusal.value.retry_after
    assert retry_after == 1
    assert throttle.headers("ada")[1] == ("RateLimit", '"principal";r=29;t=31')
    assert throttle.headers("ada", retry_after)[1] == ("RateLimit", '"principal";r=29;t=1')


def test_a_refund_restores_the_budget(settings, full):
    settings.CC_THROTTLE_PRINCIPAL = "60/hour"
    throttle.charge_principal("ada", 10)
    throttle.charge_principal("ada", 5)
    throttle.refund_principal("ada", 10)
    assert throttle.budget_state("ada") == (60, 55, 300)
    throttle.refund_principal("ada", 5)
    throttle.refund_principal("nobody")
    assert throttle.budget_state("ada") == throttle.budget_state("nobody") == (60, 60, 1)


@pytest.mark.django_db
def test_an_address_without_a_token_is_throttled_and_another_is_not(admin):
    admin.api.token = ""
    with override_settings(CC_THROTTLE_ANONYMOUS="2/day", CC_TRUSTED_PROXIES=1):
        statuses = [admin.api.get("/api/v1/keys", X_Forwarded_For="192.0.2.1").status for _ in range(3)]
        assert statuses == [401, 401, 429]
        assert admin.api.get("/api/v1/keys", X_Forwarded_For="192.0.2.2").status == 401
        # Entries that the client writes further left are ignored.
        assert admin.api.get("/api/v1/keys", X_Forwarded_For="192.0.2.9, 192.0.2.1").status == 429


def test_a_check_counts_by_group():
    request = RequestFactory().get("/")
    request.client_ip = "192.0.2.77"
    one, two = uuid.uuid4().hex, uuid.uuid4().hex
    for group in (one, two):
        throttle.check_address(request, group=group, rate="1/day")
    with pytest.raises(Throttled):
        throttle.check_address(request, group=one, rate="1/day")


@pytest.mark.parametrize(
    ("check", "override", "identifier"),
    [
        (check_public_url, {"CC_PUBLIC_URL": "keys.example.org"}, "ciphercanary.E001"),
        (check_public_url, {"CC_PUBLIC_URL": "https://keys.example.org/path"}, "ciphercanary.E001"),
        (check_rates, {"CC_THROTTLE_AUTH": "lots"}, "ciphercanary.E002"),
        (check_networks, {"CC_METRICS_NETWORKS": ["10.0.0.0/99"]}, "ciphercanary.E003"),
        (check_networks, {"CC_PROXY_NETWORKS": ("10.0.0.1/8",)}, "ciphercanary.E003"),
        (
            check_processes,
            {"CC_SQLITE": True, "CC_WORKERS": 2, "REDIS_URL": "redis://x"},
            "ciphercanary.E004",
        ),
        (check_processes, {"CC_SQLITE": False, "CC_WORKERS": 2, "REDIS_URL": ""}, "ciphercanary.W001"),
    ],
)
def test_a_wrong_setting_has_an_id_and_a_remedy(check, override, identifier):
    assert list(check()) == []
    with override_settings(**override):
        [message] = check()
    assert (message.id, bool(message.hint)) == (identifier, True)


def test_the_default_budget_is_the_documented_one():
    assert (settings.CC_THROTTLE_AUTH, settings.CC_THROTTLE_PRINCIPAL) == ("100/minute", "6000/minute")


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_ipv6_client_counts_by_its_64(one, other, together):
    statuses, group = [], uuid.uuid4().hex
    for address in (one, other):
        request = RequestFactory().get("/")
        request.client_ip = address
        try:
            throttle.check_address(request, group=group, rate="1/day")
        except Throttled:
            statuses.append(429)
    assert bool(statuses) is together
