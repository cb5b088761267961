"""Signals to stop only set a value, which a pause reads."""

import signal
import time

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


def test_a_pause_without_a_signal_takes_its_seconds_and_no_cpu():
    began, cpu = time.monotonic(), time.process_time()
    pause(0.1, lambda: False)
    assert 0.1 <= time.monotonic() - began < 5
    assert time.process_time() - cpu < 0.05
