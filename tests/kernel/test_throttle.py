import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings

from ciphercanary import throttle
from ciphercanary.checks import check_networks, check_processes, check_public_url, check_rates
from ciphercanary.errors import Throttled
from ciphercanary.throttle import Rate, TokenBuckets, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"), [("5/second", Rate(5, 1)), ("100/minute", Rate(100, 60)), ("1/day", Rate(1, 86400))]
)
def test_rates_are_read(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "100", "100/fortnight", "0/minute", "-1/minute", "1.5/minute", "100/minute/2"]
)
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="100/minute"):
        parse_rate(text)


def test_a_bucket_empties_and_refills_evenly():
    buckets = TokenBuckets(Rate(10, 10))
    assert [buckets.take("ada", 1, 0.0) for _ in range(10)] == [0.0] * 10
    assert buckets.take("ada", 1, 0.0) == pytest.approx(1.0)
    assert buckets.take("ada", 1, 1.0) == 0.0
    assert buckets.take("ada", 1, 1.0) > 0


def test_one_bucket_says_nothing_of_another():
    buckets = TokenBuckets(Rate(1, 60))
    assert buckets.take("ada", 1, 0.0) == 0.0
    assert buckets.take("dora", 1, 0.0) == 0.0


def test_buckets_are_bounded_and_the_least_used_goes_first():
    buckets = TokenBuckets(Rate(1, 60), capacity=2)
    for name in ("ada", "dora", "otto"):
        buckets.take(name, 1, 0.0)
    assert buckets.take("otto", 1, 0.0) > 0
    assert buckets.take("ada", 1, 0.0) == 0.0


def test_a_refused_charge_costs_nothing():
    buckets = TokenBuckets(Rate(4, 4))
    assert buckets.take("ada", 5, 0.0) > 0
    assert buckets.take("ada", 4, 0.0) == 0.0


@pytest.mark.django_db
def test_a_principal_beyond_his_budget_is_told_when_to_come_back(admin):
    with override_settings(CC_THROTTLE_PRINCIPAL="3/minute"):
        answers = [admin.api.get("/api/v1/algorithms") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].code == "throttled"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


@pytest.mark.django_db
def test_an_address_without_a_token_is_throttled_and_another_is_not(admin):
    admin.api.token = ""
    with override_settings(CC_THROTTLE_ANONYMOUS="2/minute", CC_TRUSTED_PROXIES=1):
        statuses = [admin.api.get("/api/v1/keys", X_Forwarded_For="192.0.2.1").status for _ in range(3)]
        assert statuses == [401, 401, 429]
        assert admin.api.get("/api/v1/keys", X_Forwarded_For="192.0.2.2").status == 401
        # What the client writes further left counts for nothing.
        assert admin.api.get("/api/v1/keys", X_Forwarded_For="192.0.2.9, 192.0.2.1").status == 429


def test_a_check_counts_by_group():
    request = RequestFactory().get("/")
    request.client_ip = "192.0.2.77"
    for group in ("one", "two"):
        throttle.check_address(request, group=group, rate="1/minute")
    with pytest.raises(Throttled):
        throttle.check_address(request, group="one", rate="1/minute")


@pytest.mark.parametrize(
    ("check", "override", "identifier"),
    [
        (check_public_url, {"CC_PUBLIC_URL": "keys.example.org"}, "ciphercanary.E001"),
        (check_public_url, {"CC_PUBLIC_URL": "https://keys.example.org/path"}, "ciphercanary.E001"),
        (check_rates, {"CC_THROTTLE_AUTH": "lots"}, "ciphercanary.E002"),
        (check_networks, {"CC_METRICS_NETWORKS": ["10.0.0.0/99"]}, "ciphercanary.E003"),
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
    statuses = []
    for address in (one, other):
        request = RequestFactory().get("/")
        request.client_ip = address
        try:
            throttle.check_address(request, group=f"64-{one}-{other}", rate="1/minute")
        except Throttled:
            statuses.append(429)
    assert bool(statuses) is together
