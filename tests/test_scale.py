"""TODO"""

from __future__ import annotations


def test_memory_of_revocations_that_matter():
    """At most 100 bytes for each."""
    clock = Clock()
    revocations = Revocations(MemoryStore(), lifetime=310, staleness=10, clock=AppClock(clock))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(200_000):
            revocations.add(f"{random.getrandbits(128) | 1 << 127:032x}", clock.now - number % 300)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(revocations) == 200_000
    assert used / 200_000 <= 100


def test_old_revocations_are_not_read(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/s.db", 2)
    store.setup()
    with store.engine.connect() as connection:
        rows = [
            {"sid": f"{n:032x}", "subject": "x", "payload": "{}", "generation": 0, "created_at": 0.0,
             "rotated_at": 0.0, "expires_at": 9e9, "revoked_at": 1000.0 + n}
            for n in range(2000)
        ]  # fmt: skip
        connection.execute(sa.text(
            "INSERT INTO jwt_sessions (sid, subject, payload, generation, created_at, rotated_at, "
            "expires_at, revoked_at) VALUES (:sid, :subject, :payload, :generation, :created_at, "
            ":rotated_at, :expires_at, :revoked_at)"), rows)  # fmt: skip
    clock = AppClock(Clock(3000.0))
    revocations = Revocations(store, lifetime=310, staleness=10, clock=clock)
    revocations.check(f"{5000:032x}")
    assert len(revocations) == 310
    store.close()
