import math

import pytest

from bench.load import Load, median_of, parse

OUTPUT = """Running 2s test @ http://127.0.0.1:8000/api/v1/encrypt
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.63ms    0.90ms  11.00ms   78.00%
  41000 requests in 2.00s, 30.00MB read
  Non-2xx or 3xx responses: 1000
{"requests": 41000, "microseconds": 2000000, "p50": 1500, "p95": 2500, "p99": 9000, "p999": 30000, "refused": 1000, "broken": 2}
"""


def test_the_rate_counts_successes_and_not_refusals():
    assert parse(OUTPUT) == Load(
        rate=20_000, p50=1.5, p95=2.5, p99=9, p999=30, succeeded=40_000, refused=1000, broken=2
    )
    assert parse(OUTPUT).errors == 1002


def test_output_without_a_result_is_an_error_and_no_figure():
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_a_run_without_responses_is_not_fast():
    silent = parse(
        '{"requests": 0, "microseconds": 1, "p50": 0, "p95": 0, "p99": 0, "p999": 0, "refused": 0, "broken": 0}'
    )
    assert (silent.rate, silent.p95) == (0, math.inf)


def test_the_median_of_several_runs_has_the_sum_of_their_errors():
    runs = [Load(rate, 1, p95, 1, refused, 0) for rate, p95, refused in ((3, 9, 1), (1, 5, 4), (2, 7, 0))]
    assert median_of(runs) == Load(2, 1, 7, 1, 5, 0)
