import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from kernel import runtime
from kernel.runtime import ProcessState, process_cache


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    """The declarations of a test end with it, and ``fresh`` concerns only them."""
    monkeypatch.setattr(runtime, "_states", [])
    monkeypatch.setattr(runtime, "_caches", [])


class Closing:
    closed = ()

    def close(self):
        Closing.closed = (*Closing.closed, self)


@pytest.fixture
def closed(monkeypatch):
    monkeypatch.setattr(Closing, "closed", ())
    return lambda: Closing.closed


def test_threads_that_need_it_first_share_one_object():
    def slow():
        time.sleep(0.01)
        return object()

    state = ProcessState(slow)
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: state.current, range(8)))
    assert found == {state.current}


def test_a_failed_creation_is_tried_again():
    responses = iter([ZeroDivisionError, None])

    def fail_once():
        if error := next(responses):
            raise error
        return "made"

    state = ProcessState(fail_once)
    with pytest.raises(ZeroDivisionError):
        _ = state.current
    assert state.current == "made"


def test_a_dropped_object_is_closed_and_replaced(closed):
    state = ProcessState(Closing)
    assert state.drop() is None
    first = state.current
    assert state.drop() is first
    assert closed() == (first,)
    assert state.current is not first


def test_a_fresh_start_closes_later_declarations_first_and_clears_caches(closed):
    first, second = ProcessState(Closing), ProcessState(Closing)
    before = (first.current, second.current)
    cached = process_cache(cache(object))
    remembered = cached()
    runtime.fresh()
    assert closed() == (before[1], before[0])
    assert cached() is not remembered


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_its_own_objects_and_closes_none_of_its_parents(closed):
    state = ProcessState(Closing)
    cached = process_cache(cache(os.getpid))
    inherited, parent = state.current, cached()
    state._making.acquire()  # as if another thread made an object at this moment
    child = os.fork()
    if not child:
        try:
            os._exit(0 if state.current is not inherited and not closed() and cached() != parent else 1)
        finally:
            os._exit(2)
    state._making.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert state.current is inherited
