"""Files through the client, against responses of a server in memory."""

import stat

import pytest
from client_responses import LOST, PROBLEM, b64, sealed

from ciphercanary_client import DecryptionFailed
from ciphercanary_client.transfers import stream_size


def test_a_file_is_sent_again_from_its_beginning(client, server, paths):
    source, target = paths
    server.will_respond((503, PROBLEM), LOST, sealed(500_000))
    client.encrypt_file("name:orders", source, target, b"aad")
    assert target.read_bytes() == sealed(500_000)
    assert {request.content for request in server.requests} == {source.read_bytes()}
    assert {request.headers["content-length"] for request in server.requests} == {"500000"}
    assert server.requests[0].headers["x-aad"] == b64(b"aad")
    assert server.requests[0].url.params["key_id"] == "name:orders"


@pytest.mark.parametrize("before", [None, b"before"])
def test_a_response_that_was_cut_off_leaves_the_target_as_it_was(client, server, paths, before):
    source, target = paths
    source.write_bytes(sealed(500_000))
    if before:
        target.write_bytes(before)
    responses = [bytes(size) for size in (499_999, 16_384, 0)]
    refused = (400, {"code": "decryption_failed", "detail": "d"})
    server.will_respond(*responses, refused)
    with pytest.raises(DecryptionFailed):
        client.decrypt_file(source, target)
    assert (target.read_bytes() if target.exists() else None) == before
    assert len(list(target.parent.iterdir())) == 1 + bool(before)


def test_only_the_owner_reads_a_decrypted_file(client, server, paths):
    source, target = paths
    source.write_bytes(sealed(7))
    target.write_bytes(b"before")
    server.will_respond(b"plain 7")
    client.decrypt_file(source, target)
    assert target.read_bytes() == b"plain 7"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_the_aad_of_a_file_fits_a_header(client, paths):
    with pytest.raises(ValueError, match="4096"):
        client.encrypt_file("name:orders", *paths, bytes(4097))


@pytest.mark.parametrize(
    ("plain", "sealed"),
    [(0, 78 + 16), (16_383, 78 + 16_399), (16_384, 78 + 16_400 + 16), (16_385, 78 + 16_400 + 17)],
)
def test_the_size_of_a_stream_is_that_of_the_format(plain, sealed):
    assert stream_size(plain) == sealed
