"""Store sessions in Redis, Redis Cluster or Redis with Sentinels.

An acknowledged revocation survives a restart of Redis only with ``appendonly yes`` and
``appendfsync always``. With ``everysec`` the revocations of the last second may be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

from ..errors import StoreUnavailable
from ._base import Session, find_surplus, invalid_uri, legacy_subject, missing_driver
from ._counters import AttemptKeys, Change, Decision

try:
    from redis.cluster import RedisCluster
    from redis.exceptions import ConnectionError as LostConnection
    from redis.exceptions import RedisClusterException, RedisError

    from . import _redis_counters
    from . import _redis_scripts as scripts
    from ._redis_client import LazyCluster, make_client
except ModuleNotFoundError:
    raise missing_driver("redis", "redis") from None

_FEED = "jwt:revoked"
_FEED_LIFETIME = 90 * 86400
"""Seconds for which a revocation stays in the sorted set of revocations."""

_SEQUENCE = "jwt:sequence"

_TIME_FIELDS = (
    "created_at", "rotated_at", "expires_at", "idle_expires_at", "revoked_at",
    "revocation_kept_until",
)  # fmt: skip
_NUMBER_FIELDS = ("generation", "sequence", "feed_position")
_FIELDS = frozenset(field.name for field in fields(Session))


class RedisStore:
    """Store sessions in Redis.

    Each session is a hash, each subject has a sorted set of its sessions, and one sorted set holds
    the revocations. The sets are only indexes. If a set and a hash differ, the hash is right.

    :param uri: ``redis://``, ``rediss://``, ``unix://``, ``redis+cluster://host:port,host:port`` or
        ``redis+sentinel://host:port,host:port/service``
    :param timeout: seconds to wait for a connection or a response
    """

    def __init__(self, uri: str, timeout: float) -> None:
        try:
            self.client, self._sentinels = make_client(uri, timeout)
        except ValueError:
            raise invalid_uri() from None

    def setup(self) -> None:
        """Check that the server responds."""
        with _translating_errors():
            self.client.ping()

    def upgrade(
        self, key_of: Callable[[str], str | None], on_batch: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """Give sessions of an earlier version their subject keys.

        Without it they are found by subject, as long as they last.
        """
        total = 0
        with _translating_errors():
            names = list(self.client.scan_iter(match="jwt:{*}", count=1000))
            for name in names:
                on_batch(1, len(names))
                session = _parse_session(self.client.hgetall(name))
                if session is None or session.subject_key is not None:
                    continue
                key = key_of(session.payload)
                if key is not None:
                    # The index first: an interrupted upgrade begins again with this session.
                    self._add_to_index(key, session.sid, 0, session.expires_at)
                    self._run(scripts.SET_SUBJECT_KEY, [_key(session.sid)], key)
                    total += 1
        return {"tables": [], "columns": [], "indexes": [], "sessions": total}

    def close(self) -> None:
        """Close the connections; the next operation reconnects."""
        self.client.close()
        for sentinel in self._sentinels:
            sentinel.close()

    def create(self, session: Session) -> None:
        """Store a new session until it expires."""
        with _translating_errors():
            sequence = self.client.incr(_SEQUENCE)
            values: list[str] = []
            for name, value in asdict(session).items():
                if value is not None and name != "sequence":
                    values += (name, legacy_subject(value) if name == "subject" else str(value))
            # EXPIREAT takes whole seconds, and the session must not disappear before it expires.
            expires_at = int(session.expires_at) + 1
            self._run(
                scripts.CREATE, [_key(session.sid)], expires_at, "sequence", sequence, *values
            )
            # The index last: a listing removes entries that have no session.
            if session.subject_key is not None:
                self._add_to_index(session.subject_key, session.sid, sequence, expires_at)

    def _add_to_index(self, key: str, sid: str, sequence: int, expires_at: float) -> None:
        self._run(scripts.ADD_TO_INDEX, [_index_key(key)], sequence, sid, int(expires_at) + 1)

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        with _translating_errors():
            return _parse_session(self.client.hgetall(_key(sid)))

    def rotate(
        self,
        sid: str,
        generation: int,
        *,
        now: float,
        idle_expires_at: float | None,
        change_id: str | None = None,
        ip: str | None = None,
        user_agent: str | None = None,
    ) -> bool:
        """Move an active session from *generation* to the next one, in one script."""
        idle = "" if idle_expires_at is None else repr(idle_expires_at)
        changes = (
            "idle_expires_at", idle, "change_id", change_id or "",
            "last_ip", ip or "", "last_user_agent", user_agent or "",
        )  # fmt: skip
        with _translating_errors():
            return bool(
                self._run(scripts.ROTATE, [_key(sid)], str(generation), repr(now), *changes)
            )

    def revoke(
        self,
        sid: str,
        now: float,
        *,
        change_id: str | None = None,
        kept_until: float | None = None,
    ) -> bool:
        """Revoke a session."""
        values = (
            repr(now), change_id or "", "" if kept_until is None else repr(kept_until), sid,
            repr(now - _FEED_LIFETIME),
        )  # fmt: skip
        with _translating_errors():
            if not self._is_cluster:
                return bool(self._run(scripts.REVOKE, [_key(sid), _FEED], *values))
            # In a cluster the feed is on another node, so this can't be a single script. If it is
            # interrupted in between, the caller repeats it.
            is_first = bool(self._run(scripts.REVOKE, [_key(sid)], *values))
            self.client.zadd(_FEED, {sid: now}, nx=True)
            self.client.zremrangebyscore(_FEED, "-inf", now - _FEED_LIFETIME)
        return is_first

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        with _translating_errors():
            return bool(self._run(scripts.RENAME, [_key(sid)], label or ""))

    def list_active(
        self,
        subject_key: str,
        now: float,
        *,
        subject: str | None = None,
        limit: int = 100,
        after: Session | None = None,
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user, in the order of their logins."""
        active = self._list_active(_index_key(subject_key), now)
        if subject is not None:
            earlier = self._list_active(_earlier_index_key(legacy_subject(subject)), now)
            active += [session for session in earlier if session.subject_key is None]
        active.sort(key=lambda session: session.position)
        if after is not None:
            active = [session for session in active if session.position > after.position]
        return active[:limit]

    def list_surplus(
        self, subject_key: str, now: float, *, keep: int, by_use: bool, limit: int = 100
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user beyond the first *keep*."""
        key = _index_key(subject_key)
        with _translating_errors():
            if self.client.zcard(key) <= keep:
                return []
        return find_surplus(self._list_active(key, now), keep, limit, by_use=by_use)

    def _list_active(self, index: str, now: float) -> list[Session]:
        with _translating_errors():
            sids = self.client.zrange(index, 0, -1)
            sessions = [_parse_session(values) for values in self._read_hashes(sids)]
            # Redis deletes expired hashes but not the members of a set. Sessions that have ended
            # are removed too, so that the set doesn't grow with each login; those that have expired
            # only later, because the clocks of servers differ.
            ended = [
                sid
                for sid, s in zip(sids, sessions, strict=True)
                if s is None or s.revoked_at is not None or s.ends_at() < now - 3600
            ]
            if ended:
                self.client.zrem(index, *ended)
        return [s for s in sessions if s is not None and s.is_active(now)]

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        with _translating_errors():
            return list(self.client.zrangebyscore(_FEED, since, "+inf", withscores=True))

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:  # noqa: ARG002
        """Return 0, because Redis deletes expired sessions itself."""
        return 0

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of active and revoked sessions.

        Redis has deleted most expired sessions, so their number is close to 0.
        """
        counts = {"active": 0, "revoked": 0, "expired": 0}
        with _translating_errors():
            for key in self.client.scan_iter(match="jwt:{*}", count=1000):
                session = _parse_session(self.client.hgetall(key))
                if session is not None:
                    is_active = session.is_active(now)
                    state = (
                        "revoked" if session.revoked_at else "active" if is_active else "expired"
                    )
                    counts[state] += 1
        return counts

    def begin_login(self, keys: AttemptKeys, now: float) -> Decision:
        """Decide about a login, and count it as failed if it is allowed."""
        with _translating_errors():
            return _redis_counters.begin_login(self.client, keys, now)

    def change_counters(self, changes: list[Change], now: float) -> None:
        """Change the counters of failed logins."""
        with _translating_errors():
            _redis_counters.change_counters(self.client, changes, now)

    def prune_counters(self, now: float) -> bool:  # noqa: ARG002
        """Return False, because Redis deletes expired counters itself."""
        return False

    def warnings(self) -> list[str]:
        """Return a sentence about each setting of Redis that may lose revocations."""
        with _translating_errors():
            if self._is_cluster:
                # A cluster of one node returns its values directly, without the node's name.
                infos = self.client.info(target_nodes=RedisCluster.PRIMARIES)
                nodes = list(infos.values()) if "aof_enabled" not in infos else [infos]
            else:
                nodes = [self.client.info()]
        sentences = []
        if any(not int(node.get("aof_enabled", 0)) for node in nodes):
            sentences.append(
                "Redis has no append-only file, so a restart may lose revocations, and sessions "
                "that were logged out become active again. Set appendonly yes; with appendfsync "
                "always no revocation is lost."
            )
        if any(str(node.get("maxmemory_policy", "")).startswith("allkeys") for node in nodes):
            sentences.append(
                "Redis may evict revocations when its memory is full; set maxmemory-policy to "
                "noeviction or to one of the volatile policies."
            )
        return sentences

    @property
    def _is_cluster(self) -> bool:
        return isinstance(self.client, LazyCluster)

    def _run(self, script: Any, keys: list[str], *arguments: Any) -> Any:
        return script(keys=keys, args=arguments, client=self.client)

    def _read_hashes(self, sids: list[str]) -> list[dict[str, str]]:
        if not sids:
            return []
        # One round trip for all sessions. A transaction could not span several slots of a cluster.
        with self.client.pipeline(transaction=False) as pipe:
            for sid in sids:
                pipe.hgetall(_key(sid))
            return list(pipe.execute())


def _key(sid: str) -> str:
    # The braces distinguish sessions from the keys of the indexes, so that count() can scan them.
    return f"jwt:{{{sid}}}"


def _index_key(subject_key: str) -> str:
    return f"jwt:sessions:{subject_key}"


def _earlier_index_key(subject: str) -> str:
    """Return the key of the index that earlier versions wrote; its scores are expiry times."""
    return f"jwt:subject:{subject}"


def _parse_session(values: dict[str, str]) -> Session | None:
    if "sid" not in values:
        return None
    # A later version may have added fields.
    known: dict[str, Any] = {name: values[name] for name in values if name in _FIELDS}
    for name in _NUMBER_FIELDS:
        if name in known:
            known[name] = int(known[name])
    for name in _TIME_FIELDS:
        if name in known:
            known[name] = float(known[name])
    return Session(**known)


@contextmanager
def _translating_errors() -> Iterator[None]:
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        # RedisClusterException is not a RedisError.
        is_lost = isinstance(error, LostConnection)
        raise StoreUnavailable.because(error, lost_connection=is_lost) from error
