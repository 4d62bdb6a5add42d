import signal
import threading

import pytest

from planet_tf2.tools.signals import StopSignals


def test_the_second_interrupt_interrupts():
    with StopSignals() as stop:
        assert not stop.requested
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_second_termination_changes_nothing():
    with StopSignals() as stop:
        assert not stop.requested
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
            assert stop.requested


def test_it_answers(caplog):
    with caplog.at_level("INFO"), StopSignals():
        signal.raise_signal(signal.SIGINT)
    assert [r.message for r in caplog.records] == [
        "Stopping soon; Ctrl-C again stops at once."
    ]


def test_handlers_are_restored():
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with StopSignals():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before


def test_other_threads_can_use_it():
    requested = []

    def work():
        with StopSignals() as stop:
            requested.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert requested == [False]
