"""Waiting for a condition with a deadline: the only way the tests wait."""

import time

PERIOD_S = 0.05


class TimedOut(AssertionError):
    """The condition did not come true in time."""


def until(condition, what, timeout_s=30):
    """Calls `condition` until it returns something true, and returns that.

    An exception of the condition is no answer yet; the last one is told when time is up.
    """
    deadline = time.monotonic() + timeout_s
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except Exception as error:  # noqa: BLE001 - told below
            last = error
        if time.monotonic() >= deadline:
            raise TimedOut(f"{what}: not after {timeout_s} s; last: {last!r}")
        time.sleep(PERIOD_S)
