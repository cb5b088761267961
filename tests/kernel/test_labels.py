import pytest

from kernel.errors import Invalid
from kernel.labels import check_reason


@pytest.mark.parametrize("reason", ["", " ", "x" * 101, "a\x00"])
def test_a_reason_says_something_within_its_column(reason):
    with pytest.raises(Invalid) as refusal:
        check_reason(reason)
    assert set(refusal.value.fields) == {"reason"}
