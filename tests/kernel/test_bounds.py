"""Bounds of memory and time in the kernel: the largest value passes, and one more does not."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import RequestFactory

from kernel.clock import database_now
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import key_checks, key_transport, pem
from kernel.errors import Invalid
from kernel.http import strict_json
from kernel.http.addresses import Networks
from kernel.jobs import delivery, files
from kernel.jobs.job import JobRecord
from kernel.observability.check_rounds import CheckRounds
from kernel.pages import drafts
from kernel.pages.views import number_in


def parse_networks(count):
    Networks.parse([f"10.0.{number}.0/24" for number in range(count)])


def read_list(count):
    strict_json.loads(b"[" + b",".join([b"1"] * count) + b"]")


def read_object(count):
    strict_json.loads(b"{" + b",".join(b'"%d":1' % number for number in range(count)) + b"}")


def read_nested(depth):
    strict_json.loads(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(
    ("accept", "largest"),
    [(parse_networks, 20), (read_list, 1024), (read_object, 1024), (read_nested, 20)],
)
def test_input_has_a_bounded_number_of_parts(accept, largest):
    accept(largest)
    with pytest.raises(Invalid):
        accept(largest + 1)


@pytest.mark.parametrize(
    ("text", "number"), [("9" * 18, 10**18 - 1), ("9" * 19, None), ("\u0663", None), ("-1", None)]
)
def test_a_number_in_a_url_fits_a_column(text, number):
    assert number_in(RequestFactory().get("/", {"page": text}), "page") == number


def recipient(bits, exponent=65_537):
    """An RSA public key with a modulus of ``bits`` bits that has no small factor."""
    modulus = next(
        n for n in range(2 ** (bits - 1) + 1, 2 ** (bits - 1) + 10_000, 2) if is_free_of_small_factors(n)
    )
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def is_free_of_small_factors(number):
    return all(number % prime for prime in range(3, 10_000, 2))


@pytest.mark.parametrize(("bits", "is_accepted"), [(3071, False), (3072, True), (8192, True), (8193, False)])
def test_a_key_is_wrapped_for_rsa_keys_of_bounded_size(bits, is_accepted):
    """OpenSSL takes seconds for a modulus of 16,384 bits."""
    octets = recipient(bits).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    material = KeyMaterial(bytes(range(32)))
    if is_accepted:
        assert key_transport.wrap(octets, material, "name")
    else:
        with pytest.raises(WrongKey, match=f"{bits} bits"):
            key_transport.wrap(octets, material, "name")


def test_the_public_exponent_has_at_most_256_bits():
    for exponent in (3, 2**256 - 1):
        key_checks.check_public(recipient(3072, exponent=exponent))
    with pytest.raises(WrongKey):
        key_checks.check_public(recipient(3072, exponent=2**256 + 1))


@pytest.mark.parametrize("excess", [0, 1])
def test_a_pem_with_text_around_it_has_four_characters_a_byte_at_most(excess):
    key = recipient(3072)
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    padded = text.rjust(4 * len(octets) + excess)
    if excess:
        with pytest.raises(WrongKey, match="at most"):
            pem.read_public(padded, max_bytes=len(octets))
    else:
        assert pem.read_public(padded, max_bytes=len(octets)) == octets
        with pytest.raises(WrongKey, match="at most"):
            pem.read_public(text, max_bytes=len(octets) - 1)


@pytest.mark.django_db
def test_workers_are_notified_of_a_bounded_number_of_jobs_at_once(settings, monkeypatch):
    from kernel.jobs import notifier  # noqa: PLC0415 - the settings of other tests have no broker

    settings.CELERY_BROKER_URL = "memory://localhost"
    monkeypatch.setattr(notifier.app.conf, "broker_url", "memory://localhost")
    monkeypatch.setattr(delivery, "_MOST_AT_ONCE", 2)
    long_ago = database_now() - timedelta(hours=1)
    JobRecord.objects.bulk_create(JobRecord(kind="audit_export", due_at=long_ago) for _ in range(3))
    delivery.deliver_due_jobs()
    with notifier.app.connection_for_read() as broker:
        assert broker.default_channel.queue_purge("jobs") == 2


def test_a_long_file_leaves_the_reserve_of_the_disk_free(tmp_path, monkeypatch):
    with (tmp_path / "file").open("wb") as file, ThreadPoolExecutor(1) as threads:
        written = files.HashedFile(file, tmp_path, threads, hashes=False)
        monkeypatch.setattr(files, "RESERVE", 2**60)
        written.write(bytes(8 * 1024 * 1024 - 1))
        written.write(b"x")
        with pytest.raises(OSError, match="No space left"):
            written.write(b"x")


def test_a_draft_has_32_kibibytes_at_most():
    request = RequestFactory().post("/login/", {drafts.DRAFT: "x" * 32 * 1024})
    assert drafts.carried_draft(request) == "x" * 32 * 1024
    assert not drafts.carried_draft(RequestFactory().post("/login/", {drafts.DRAFT: "x" * (32 * 1024 + 1)}))


def test_the_results_of_checks_are_shared_for_a_second():
    runs = []
    rounds = CheckRounds({"first": lambda: runs.append("run")}, seconds=60)
    for age, count in ((0.0, 1), (0.5, 1), (1.0, 2)):
        if rounds._round:
            rounds._round.began = time.monotonic() - age
        rounds.results()
        assert len(runs) == count
