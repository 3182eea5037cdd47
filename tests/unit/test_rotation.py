"""``SessionManager``: what becomes of each refresh token that may be presented.

Each case begins with a session that was rotated some times; the newest token belongs to its
present generation.
"""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

import pytest

from flask_jwt import signals
from flask_jwt._clock import Clock as AppClock
from flask_jwt._jose.claims import REFRESH_CLAIMS, ClaimsPolicy
from flask_jwt._jose.codec import TokenCodec
from flask_jwt._jose.key_set import KeySet
from flask_jwt._jose.keys import Key
from flask_jwt._sessions.host import SessionHost, SessionPolicy
from flask_jwt._sessions.manager import SessionManager
from flask_jwt.errors import (
    ClaimInvalid,
    RefreshTokenReused,
    StoreUnavailable,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    UserNotFound,
)
from flask_jwt.stores.memory import MemoryStore

GRACE, IDLE, LIFETIME = 30, 100, 1000


@pytest.fixture
def make_manager(clock):
    """Make the sessions of an application that has one user, joe."""

    def make_manager(**changes):
        policy = SessionPolicy(LIFETIME, IDLE, GRACE, maximum=None, access_lifetime=310)
        policy = policy._replace(**changes)
        keys = KeySet([Key.from_secret(b"a secret of 32 bytes for testing")])
        codec = TokenCodec(keys, ClaimsPolicy("refresh", REFRESH_CLAIMS, leeway=0))
        users = {"joe": SimpleNamespace(id="joe")}
        manager = SessionManager(
            MemoryStore(),
            SessionHost(
                get_policy=lambda: policy,
                get_codec=lambda: codec,
                create_payload=lambda user, now: {"identity": user.id, "exp": now + 60},
                issue_access_token=lambda user, session, claims: (
                    f"access token of {session.generation}"
                ),
                load_user=lambda payload: users.get(payload["identity"]),
                check_blocklist=lambda header, claims: None,
                sender=object(),
                clock=AppClock(clock),
                get_parties=dict,
            ),
        )
        manager.users = users
        manager.codec = codec
        return manager

    return make_manager


@pytest.fixture
def manager(make_manager):
    return make_manager()


def start(manager, rotations=0):
    """Start a session and rotate it; return its refresh tokens, by generation."""
    tokens = [manager.start(manager.users["joe"]).refresh_token]
    for _ in range(rotations):
        tokens.append(manager.refresh(tokens[-1]).refresh_token)
    return tokens


def state(manager):
    """Return the generation of the only session, and whether it is revoked."""
    (session,) = manager.store._sessions.values()
    return session.generation, session.revoked_at is not None


# What a presented token does


@pytest.mark.parametrize(
    ("rotations", "presented", "wait", "expected", "generation", "is_revoked"),
    [
        # the present token
        (0, 0, 0, 1, 1, False),
        (0, 0, IDLE - 1, 1, 1, False),
        (3, 3, 0, 4, 4, False),
        # the one before, within the grace period: the present token again
        (1, 0, 0, 1, 1, False),
        (1, 0, GRACE, 1, 1, False),
        (3, 2, GRACE, 3, 3, False),
        # the one before, later: taken for stolen
        (1, 0, GRACE + 1, RefreshTokenReused, 1, True),
        (3, 2, GRACE + 1, RefreshTokenReused, 3, True),
        # an older one: taken for stolen at once
        (2, 0, 0, RefreshTokenReused, 2, True),
        (3, 0, 0, RefreshTokenReused, 3, True),
        (3, 1, GRACE + 1, RefreshTokenReused, 3, True),
        # any of them after the idle limit
        (0, 0, IDLE, TokenExpired, 0, False),
        (1, 0, IDLE, TokenExpired, 1, False),
        (1, 1, IDLE, TokenExpired, 1, False),
        (3, 0, IDLE, TokenExpired, 3, False),
    ],
)
def test_refresh(manager, clock, rotations, presented, wait, expected, generation, is_revoked):
    tokens = start(manager, rotations)
    clock.tick(wait)
    if isinstance(expected, int):
        renewed = manager.refresh(tokens[presented])
        assert renewed.access_token == f"access token of {expected}"
        assert manager.codec.verify(renewed.refresh_token, clock()).claims["gen"] == expected
        if expected <= rotations:
            assert renewed.refresh_token == tokens[expected]
    else:
        with pytest.raises(expected):
            manager.refresh(tokens[presented])
    assert state(manager) == (generation, is_revoked)


@pytest.mark.parametrize(
    ("rotations", "presented", "wait", "error"),
    [
        (0, 0, 0, None),
        (1, 1, 0, None),
        (1, 0, GRACE, None),
        (1, 0, GRACE + 1, TokenRevoked),
        (2, 0, 0, TokenRevoked),
        (0, 0, IDLE, TokenRevoked),
    ],
)
def test_verify_changes_nothing(manager, clock, rotations, presented, wait, error):
    tokens = start(manager, rotations)
    clock.tick(wait)
    for _ in range(2):
        if error is None:
            assert manager.verify(tokens[presented]).generation == rotations
        else:
            with pytest.raises(error):
                manager.verify(tokens[presented])
    assert state(manager) == (rotations, False)


def test_without_a_grace_period_each_reuse_ends_the_session(make_manager):
    manager = make_manager(grace=0)
    tokens = start(manager, 1)
    with pytest.raises(RefreshTokenReused):
        manager.refresh(tokens[0])
    assert state(manager) == (1, True)


def test_rotation_moves_the_idle_limit_but_not_the_absolute_one(manager, clock):
    (token,) = start(manager)
    for _ in range(LIFETIME // (IDLE - 1)):
        clock.tick(IDLE - 1)
        token = manager.refresh(token).refresh_token
    clock.tick(LIFETIME % (IDLE - 1))
    with pytest.raises(TokenExpired):
        manager.refresh(token)


@pytest.mark.parametrize("method", ["refresh", "verify"])
@pytest.mark.parametrize("presented", [0, 1])
def test_a_revoked_session_accepts_no_token(manager, method, presented):
    tokens = start(manager, 1)
    (sid,) = manager.store._sessions
    assert manager.revoke(sid)
    with pytest.raises(TokenRevoked):
        getattr(manager, method)(tokens[presented])


@pytest.mark.parametrize("method", ["refresh", "verify"])
def test_an_unknown_session_accepts_no_token(manager, method):
    (token,) = start(manager)
    manager.store._sessions.clear()
    with pytest.raises(TokenRevoked):
        getattr(manager, method)(token)


def test_a_generation_that_the_store_does_not_know_yet_asks_for_a_login(manager):
    """The store was restored from a backup."""
    (old,) = start(manager)
    backup = dict(manager.store._sessions)
    new = manager.refresh(old).refresh_token
    manager.store._sessions = backup
    with pytest.raises(TokenRevoked):
        manager.refresh(new)
    assert manager.refresh(old).access_token == "access token of 1"


def test_a_row_that_changes_between_the_statements_asks_for_a_retry(manager):
    """The row was older at the UPDATE than at the SELECT: only another writer explains that."""
    (token,) = start(manager)
    manager.store.rotate = lambda *args, **kwargs: False
    with pytest.raises(StoreUnavailable):
        manager.refresh(token)
    assert state(manager) == (0, False)


def test_a_deleted_user_ends_the_session(manager):
    (token,) = start(manager)
    manager.users.clear()
    with pytest.raises(UserNotFound):
        manager.refresh(token)
    assert state(manager) == (0, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"sid": 1}, {"sid": "x"}, {"sid": "0" * 31}, {"sid": "G" * 32}, {"gen": "0"}, {"gen": True},
        {"gen": 0.0}, {"sub": 1}, {"payload": "{}"}, {"payload": None}, {"auth_time": None},
        {"auth_time": 1.5},
    ],
    ids=str,
)  # fmt: skip
def test_a_signed_token_with_other_claims_is_invalid(manager, clock, changes):
    """Whoever has the key can sign anything."""
    (token,) = start(manager)
    claims = manager.codec.verify(token, clock()).claims
    with pytest.raises(ClaimInvalid):
        manager.refresh(manager.codec.issue({**claims, **changes}, now=clock()))
    assert state(manager) == (0, False)


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_a_string_that_is_no_token_is_invalid(manager, token):
    with pytest.raises(TokenInvalid):
        manager.refresh(token)


# Starting and revoking


def test_the_oldest_sessions_end_if_there_are_too_many(make_manager, clock):
    manager = make_manager(maximum=2)
    tokens = []
    for _ in range(4):
        tokens += start(manager)
        clock.tick(1)
    assert len(manager.list("joe")) == 2
    for token in tokens[:2]:
        with pytest.raises(TokenRevoked):
            manager.verify(token)
    for token in tokens[2:]:
        assert manager.verify(token)


def test_a_session_is_revoked_once(manager):
    start(manager)
    (sid,) = manager.store._sessions
    assert [manager.revoke(sid) for _ in range(2)] == [True, False]
    assert not manager.revoke("0" * 32)
    assert not manager.revoke("no sid")


@pytest.mark.parametrize(
    ("rotations", "presented", "names"),
    [
        (0, 0, ["session_refreshed"]),
        (1, 0, []),
        (2, 0, ["session_revoked", "refresh_token_reused"]),
    ],
    ids=["rotation", "grace", "reuse"],
)
def test_a_refresh_sends_signals(manager, rotations, presented, names):
    tokens = start(manager, rotations)
    sent = []
    receivers = []
    for name in ("session_refreshed", "session_revoked", "refresh_token_reused"):
        receivers.append(lambda sender, name=name, **arguments: sent.append(name))
        getattr(signals, name).connect(receivers[-1], manager._host.sender)
    with suppress(RefreshTokenReused):
        manager.refresh(tokens[presented])
    assert sent == names
