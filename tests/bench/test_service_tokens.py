import pytest

from bench.service_tokens import Period, figures


def pairs(rate, errors=0):
    """Each period with the service token follows the load of the machine, like the one beside it."""
    return [(Period(load * rate, 80, errors), Period(load, 100, 0)) for load in (1000, 3000, 100)]


@pytest.mark.parametrize(
    ("rate", "errors", "verdict"), [(0.96, 0, "yes"), (0.94, 0, "NO"), (0.96, 1, "NO: 3 errors")]
)
def test_each_period_is_compared_with_the_one_beside_it(rate, errors, verdict):
    speed, cost = (figure.cells() for figure in figures(pairs(rate, errors)))

    assert speed[1] == f"{1000 * rate:.0f}/s"
    assert speed[3] == f"{rate} x"
    assert speed[-1] == verdict
    assert cost[1:4] == ["80 us", "access token 100 us; quartiles of the ratio 0.800, 0.800", "0.8 x"]
