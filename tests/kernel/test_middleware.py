import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from kernel.errors import Conflict
from kernel.http import fast_path
from kernel.http.addresses import client_address
from kernel.http.allowed import may_forward
from kernel.http.middleware import RequestContext
from kernel.http.problems import document
from kernel.http.response_headers import REQUEST_ID, choose_request_id


def request(forwarded="", peer="192.0.2.1"):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", "192.0.2.1"),
        (0, "203.0.113.9", "192.0.2.1"),  # no proxy is trusted, so the header is ignored
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the client wrote the first, our proxy the second
        (1, "1.1.1.1,2.2.2.2 , 203.0.113.9 ", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1"),  # too few entries: the request did not pass through both
        (1, "", "192.0.2.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "2001:DB8:0::1", "2001:db8::1"),  # one spelling of an address, or it would have two budgets
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.9:4711", ""),  # not an address: in no network, and with a shared budget
        (1, "unknown", ""),
        (1, "'; DROP TABLE users", ""),
    ],
)
def test_the_clients_address_is_counted_from_the_right(proxies, forwarded, address):
    assert client_address("192.0.2.1", forwarded, proxies) == address
    seen = []
    with override_settings(CC_TRUSTED_PROXIES=proxies):
        RequestContext(lambda request: seen.append(request.client_ip) or HttpResponse())(request(forwarded))
    assert seen == [address]


@pytest.mark.parametrize(
    ("networks", "counts"),
    [
        ((), True),
        (("192.0.2.0/24",), True),
        (("::/0", "192.0.2.1/32"), True),
        (("198.51.100.0/24", "2001:db8::/32"), False),
    ],
)
def test_forwarded_headers_count_from_the_networks_of_the_proxy_only(settings, networks, counts):
    settings.CC_TRUSTED_PROXIES, settings.CC_PROXY_NETWORKS = 1, networks
    settings.CC_TLS, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    seen = []
    forwarded = request("203.0.113.9")
    forwarded.META["HTTP_X_FORWARDED_PROTO"] = "https"
    RequestContext(lambda request: seen.append(request) or HttpResponse())(forwarded)
    expected = "203.0.113.9" if counts else "192.0.2.1"
    assert (seen[0].client_ip, seen[0].is_secure()) == (expected, counts)

    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"authorization", b"Bearer token"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-proto", b"https"),
    ]
    sent = fast_path.read(headers, "192.0.2.1", "http")
    assert (sent and sent.client_ip) == ("203.0.113.9" if counts else None)  # Django refuses plain HTTP
    settings.CC_TLS = False
    assert fast_path.read(headers, "192.0.2.1", "http").client_ip == expected


@pytest.mark.parametrize("peer", ["", "not an address", "198.51.100.7"])
def test_a_peer_outside_the_networks_forwards_nothing(settings, peer):
    settings.CC_PROXY_NETWORKS = ("192.0.2.0/24",)
    assert not may_forward(peer)
    assert may_forward("::ffff:192.0.2.7")


@pytest.mark.parametrize("sent", ["a", "4bf92f3577b34da6a3ce929d0e0e4736", "A-b_c.9", "x" * 64])
def test_a_request_id_that_is_safe_in_a_log_is_kept(sent):
    assert choose_request_id(sent) == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\n", "<script>", "é", "a/b", "a;b", "a\x00"])
def test_any_other_is_replaced_by_a_random_one(sent):
    first, second = choose_request_id(sent), choose_request_id(sent)
    assert first != second
    assert REQUEST_ID.fullmatch(first)


def test_the_id_is_in_every_log_record_of_the_request_and_of_no_other():
    from kernel.observability.logs import current_request_id  # noqa: PLC0415 - next to its use

    seen = []

    def view(_request):
        seen.append(current_request_id.get())
        return HttpResponse()

    response = RequestContext(view)(RequestFactory().get("/", headers={"X-Request-ID": "mine"}))
    assert seen == ["mine"]
    assert response["X-Request-ID"] == "mine"
    assert current_request_id.get() == ""


def test_an_extra_member_never_passes_for_a_member_of_the_standard():
    error = Conflict("No.", extra={"status": "expired", "code": "other", "state": "deactivated"})
    body = document(error, "request-1")
    assert (body["status"], body["code"], body["state"]) == (409, "conflict", "deactivated")
