"""TODO"""

from __future__ import annotations


def test_a_store_that_is_down_is_closed_all_the_same():
    """To close is no operation: it is not failed fast, and says nothing about the store."""

    class Down(MemoryStore):
        closed = 0

        def get(self, sid):
            raise StoreUnavailable

        def close(self):
            self.closed += 1

    watched = CircuitBreakerStore(down := Down(), AppClock())
    with pytest.raises(StoreUnavailable):
        watched.get("0" * 32)
    watched.close()
    assert down.closed == 1
    with pytest.raises(StoreUnavailable):
        watched.count(0)
