import os
from collections import Counter

import pytest

from bench.mix import KEYS, REQUESTS, TOKENS, WARM_UPS, Mix, pairs, warm_up, weights
from bench.requests import Refused, Request


def request(key, token):
    return Request(8000, f"/{key}", b"body", {"Authorization": f"Bearer {token}"})


def test_the_pairs_are_the_same_in_each_run():
    assert pairs(4) == pairs(4) == [(1, 6), (318, 5), (170, 15), (3, 33)]


@pytest.mark.parametrize(("place", "count"), [(0, KEYS), (1, TOKENS)])
def test_each_rank_is_as_frequent_as_its_weight(place, count):
    found = Counter(pair[place] for pair in pairs())
    assert found.keys() <= set(range(count))
    for rank in (1, 2, 10, 50):
        expected = found.total() * weights(count)[rank - 1] / sum(weights(count))
        assert found[rank - 1] == pytest.approx(expected, rel=0.25)


def test_keys_and_tokens_are_independent():
    found = pairs()
    rare = Counter(token for key, token in found if key >= KEYS // 10)
    assert rare[0] / rare.total() == pytest.approx(1 / sum(weights(TOKENS)), rel=0.1)


def test_a_mix_sends_the_request_of_each_pair_in_turn():
    mix = Mix.of(request)
    assert (mix.url, mix.raw()) == (
        f"http://127.0.0.1:8000/{pairs()[0][0]}",
        [raw for pair in pairs() for raw in request(*pair).raw()],
    )


def test_requests_are_written_with_their_lengths(tmp_path):
    content = request(7, 3).write(tmp_path).read_bytes()
    length, _, raw = content.partition(b"\n")
    assert int(length) == len(raw)
    assert raw == (
        b"POST /7 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAuthorization: Bearer 3\r\nContent-Length: 4\r\n\r\nbody"
    )


def replace_wrk(folder, monkeypatch, *, enough):
    """A program that sends all requests from the run ``enough`` on. Returns the file with a line of each run."""
    program, runs = folder / "wrk", folder / "runs"
    program.write_text(
        f"""#!/bin/sh
        echo "$@" >> {runs}
        if [ $(wc -l < {runs}) -lt {enough} ]; then sent={REQUESTS - 1}; else sent={REQUESTS}; fi
        echo '{{"requests": '$sent', "microseconds": 1, "p50": 1, "p95": 1, "p99": 1, "p999": 1, "refused": 0, "broken": 0}}'
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return runs


@pytest.mark.parametrize("enough", [1, WARM_UPS])
def test_the_warm_up_ends_when_one_run_has_sent_all_requests(tmp_path, monkeypatch, enough):
    runs = replace_wrk(tmp_path, monkeypatch, enough=enough)
    warm_up(request(7, 3))
    assert len(runs.read_text().splitlines()) == enough


def test_a_mix_that_is_too_slow_is_refused(tmp_path, monkeypatch):
    replace_wrk(tmp_path, monkeypatch, enough=WARM_UPS + 1)
    with pytest.raises(Refused, match="the mix takes more than 120 seconds"):
        warm_up(request(7, 3))
