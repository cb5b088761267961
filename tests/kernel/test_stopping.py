"""Signals to stop only set a value, which a pause reads."""

import signal

from kernel.stopping import interruptible, pause

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def test_a_signal_ends_a_pause_and_has_its_usual_effect_after_the_block():
    before = [signal.getsignal(each) for each in SIGNALS]
    for number in SIGNALS:
        with interruptible() as is_stopping:
            assert not is_stopping()
            signal.raise_signal(number)
            pause(60, is_stopping)
            assert is_stopping()
        assert [signal.getsignal(each) for each in SIGNALS] == before
