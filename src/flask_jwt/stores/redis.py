"""Store sessions in Redis, Redis Cluster or Redis with Sentinels.

An acknowledged revocation survives a restart of Redis only with ``appendonly yes`` and
``appendfsync always``. With ``everysec`` the revocations of the last second may be lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from typing import Any

from ._base import (
    RevocationPage,
    Session,
    find_surplus,
    invalid_uri,
    legacy_subject,
    missing_driver,
)
from ._counters import AttemptKeys, Change, Decision
from ._deadline import no_time_limit, time_limit

try:
    from redis.cluster import RedisCluster

    from . import _redis_counters
    from . import _redis_scripts as scripts
    from ._redis_client import make_client
    from ._redis_errors import translating_errors
except ModuleNotFoundError:
    raise missing_driver("redis", "redis") from None

# The braces let a Redis Cluster keep both on one node.
_FEED = "jwt:feed:{feed}"
"""The sorted set of revocations."""
_FEED_ENDS = "jwt:feed-ends:{feed}"
"""The time until which each revocation stays in the feed, by the clock of Redis."""
_FEED_LIFETIME = 90 * 86400
"""Seconds for which a revocation stays in the feed, if the caller doesn't say."""

_EARLIER_FEED = "jwt:revoked"
_EARLIER_SEQUENCE = "jwt:sequence"

_TIME_FIELDS = (
    "created_at", "rotated_at", "expires_at", "idle_expires_at", "revoked_at",
    "revocation_kept_until",
)  # fmt: skip
_NUMBER_FIELDS = ("generation", "sequence", "feed_position")
_FIELDS = frozenset(field.name for field in fields(Session))


class RedisStore:
    """Store sessions in Redis.

    Each session is a hash, each user has a sorted set of sessions, and one sorted set holds the
    revocations. The sets are only indexes. If a set and a hash differ, the hash counts.

    :param uri: ``redis://``, ``rediss://``, ``unix://``, ``redis+cluster://host:port,host:port`` or
        ``redis+sentinel://host:port,host:port/service``
    :param timeout: seconds to wait for a connection or a response
    """

    def __init__(self, uri: str, timeout: float) -> None:
        self._uri = uri
        self._timeout = timeout
        self._is_cluster = uri.startswith("redis+cluster:")
        try:
            self._process = _Process(*make_client(uri, timeout))
        except ValueError:
            raise invalid_uri() from None

    @property
    def client(self) -> Any:
        """Return the client of this process."""
        process = self._process
        if process.id != os.getpid():
            # A forked process inherits the sockets and the locks of its parent. redis-py notices
            # that, but not everywhere in its client for clusters. The inherited client is kept,
            # because its connections must not be closed here.
            _abandoned.append(process)
            process = self._process = _Process(*make_client(self._uri, self._timeout))
        return process.client

    def ping(self, timeout: float) -> None:
        """Check that the server responds within *timeout* seconds."""
        with no_time_limit(), time_limit(timeout), self._translating_errors():
            self.client.ping()

    def setup(self) -> None:
        """Check that the server responds."""
        with self._translating_errors():
            self.client.ping()

    def upgrade(
        self, key_of: Callable[[str], str | None], on_batch: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """Give sessions of an earlier version their subject keys, and its keys a time to live.

        Without it they are found by subject, as long as they last.
        """
        total = 0
        with self._translating_errors():
            names = list(self.client.scan_iter(match="jwt:{*}", count=1000))
            for name in names:
                on_batch(1, len(names))
                session = _parse_session(self.client.hgetall(name))
                if session is None or session.subject_key is not None:
                    continue
                key = key_of(session.payload)
                if key is not None:
                    # The index first: an interrupted upgrade begins again with this session.
                    lifetime = max(1, self.client.ttl(name))
                    index = [_index_key(key)]
                    self._run(scripts.ADD_TO_INDEX, index, session.sid, lifetime, 0)
                    self._run(scripts.SET_SUBJECT_KEY, [_key(session.sid)], key)
                    total += 1
            for name in self.client.scan_iter(match="jwt:subject:*", count=1000):
                # The scores are the times at which the sessions expire.
                for _, expires_at in self.client.zrange(name, -1, -1, withscores=True):
                    self.client.expireat(name, int(expires_at) + 1)
            for name in (_EARLIER_FEED, _EARLIER_SEQUENCE):
                self.client.expire(name, _FEED_LIFETIME)
        return {"tables": [], "columns": [], "indexes": [], "sessions": total}

    def close(self) -> None:
        """Close the connections; the next operation reconnects."""
        self.client.close()
        for sentinel in self._process.sentinels:
            sentinel.close()

    def create(self, session: Session) -> int | None:
        """Store a new session until it expires, and return the number of the user's sessions."""
        values: list[Any] = []
        for name, value in asdict(session).items():
            if value is not None and name != "sequence":
                values += (name, legacy_subject(value) if name == "subject" else str(value))
        # Relative to the login, so that no clock matters. EXPIRE takes whole seconds, and the
        # session must not disappear before it expires.
        lifetime = max(1, int(session.expires_at - session.created_at) + 2)
        key, sid = _key(session.sid), session.sid
        if session.subject_key is None:
            with self._translating_errors():
                self._run(scripts.CREATE, [key], sid, lifetime, 0, *values)
            return None
        index = _index_key(session.subject_key)
        with self._translating_errors():
            if not self._is_cluster:
                return int(self._run(scripts.CREATE, [key, index], sid, lifetime, "", *values))
            last = self.client.zrange(index, -1, -1, withscores=True)
            sequence = int(last[0][1]) + 1 if last else 1
            self._run(scripts.CREATE, [key], sid, lifetime, sequence, *values)
            # The index last: a listing removes entries that have no session.
            return int(self._run(scripts.ADD_TO_INDEX, [index], sid, lifetime, sequence))

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        with self._translating_errors():
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
        grants: str | None = None,
    ) -> bool:
        """Move an active session from *generation* to the next one, in one script."""
        idle = "" if idle_expires_at is None else repr(idle_expires_at)
        changes = (
            "idle_expires_at", idle, "change_id", change_id or "",
            "last_ip", ip or "", "last_user_agent", user_agent or "",
        )  # fmt: skip
        condition = (str(generation), grants or "")
        with self._translating_errors():
            return bool(self._run(scripts.ROTATE, [_key(sid)], *condition, repr(now), *changes))

    def revoke(
        self,
        sid: str,
        now: float,
        *,
        change_id: str | None = None,
        kept_until: float | None = None,
    ) -> bool:
        """Revoke a session."""
        kept_for = _FEED_LIFETIME if kept_until is None else max(1, int(kept_until - now) + 1)
        until = "" if kept_until is None else repr(kept_until)
        values = (sid, kept_for, repr(now), change_id or "", until)
        with self._translating_errors():
            if not self._is_cluster:
                keys = [_key(sid), _FEED, _FEED_ENDS]
                return bool(self._run(scripts.REVOKE_AND_ANNOUNCE, keys, *values))
            # In a cluster the feed is on another node, so this can't be a single script. If it is
            # interrupted in between, the caller repeats it.
            is_first = bool(self._run(scripts.REVOKE, [_key(sid)], *values))
            self._run(scripts.ANNOUNCE, [_FEED, _FEED_ENDS], sid, kept_for)
        return is_first

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        with self._translating_errors():
            return bool(self._run(scripts.SET_FIELD, [_key(sid)], "label", label or ""))

    def set_grants(self, sid: str, grants: str | None, *, expected: str | None) -> bool:
        """Set the grants of a session, if they are *expected*, in one script."""
        with self._translating_errors():
            return bool(self._run(scripts.SET_GRANTS, [_key(sid)], expected or "", grants or ""))

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
        active = self._list_active(_index_key(subject_key), now)
        return find_surplus(active, keep, limit, by_use=by_use)

    def _list_active(self, index: str, now: float) -> list[Session]:
        with self._translating_errors():
            sids = self.client.zrange(index, 0, -1)
            sessions = [_parse_session(values) for values in self._read_hashes(sids)]
            self._remove_ended(index, dict(zip(sids, sessions, strict=True)), now)
        return [s for s in sessions if s is not None and s.is_active(now)]

    def _remove_ended(self, index: str, sessions: dict[str, Session | None], now: float) -> None:
        # Redis deletes expired hashes but not the members of a set. Sessions that have ended are
        # removed too, so that the set doesn't grow with each login. Redis compares the times of
        # those that have expired with its own clock.
        ends = {
            sid: 0.0 if s is None or s.revoked_at is not None else s.ends_at() + 3600
            for sid, s in sessions.items()
        }
        ended = [value for sid, end in ends.items() if end < now for value in (sid, repr(end))]
        if ended:
            self._run(scripts.REMOVE_FROM_INDEX, [index], *ended)

    def read_revocations(
        self, position: int | None, *, now: float, lifetime: float, limit: int = 1000
    ) -> RevocationPage:
        """Return about *limit* revocations, in the order in which the store got them."""
        with self._translating_errors():
            start = position
            if start is None:
                last = self.client.zrange(_FEED, -1, -1, withscores=True)
                start = int(last[0][1] - (lifetime + 60) * 1e6) if last else 0
            rows = self.client.zrangebyscore(
                _FEED, start, "+inf", start=0, num=limit, withscores=True
            )
            is_last = len(rows) < limit
            sids = [row[0] for row in rows]
            if is_last:
                sids += self.client.zrangebyscore(_EARLIER_FEED, now - lifetime, "+inf")
        return RevocationPage(sids, int(rows[-1][1]) if rows else position or 0, is_last)

    def now(self) -> float:
        """Return the time of the server that has the feed."""
        with self._translating_errors():
            seconds, microseconds = self._run(scripts.TIME, [_FEED])
        return int(seconds) + int(microseconds) / 1e6

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:  # noqa: ARG002
        """Return 0, because Redis deletes expired sessions itself."""
        return 0

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of active and revoked sessions.

        Redis has deleted most expired sessions, so their number is close to 0.
        """
        counts = [0, 0, 0]
        with self._translating_errors():
            nodes = self.client.get_primaries() if self._is_cluster else [None]
            for node in nodes:
                options = {} if node is None else {"target_nodes": node}
                cursor = "0"
                while True:
                    cursor, *page = self.client.execute_command(
                        "EVAL", scripts.COUNT, 0, cursor, repr(now), **options
                    )
                    counts = [total + number for total, number in zip(counts, page, strict=True)]
                    if int(cursor) == 0:
                        break
        return dict(zip(("active", "revoked", "expired"), counts, strict=True))

    def begin_login(self, keys: AttemptKeys, now: float) -> Decision:
        """Decide about a login, and count it as failed if it is allowed."""
        with self._translating_errors():
            return _redis_counters.begin_login(self.client, keys, now)

    def change_counters(self, changes: list[Change], now: float) -> None:
        """Change the counters of failed logins."""
        with self._translating_errors():
            _redis_counters.change_counters(self.client, changes, now)

    def prune_counters(self, now: float) -> bool:  # noqa: ARG002
        """Return False, because Redis deletes expired counters itself."""
        return False

    def warnings(self) -> list[str]:
        """Return a sentence about each setting of Redis that may lose revocations."""
        with self._translating_errors():
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
        policies = {str(node.get("maxmemory_policy", "noeviction")) for node in nodes}
        if policies != {"noeviction"}:
            # All keys have a time to live, so the volatile policies evict them, too.
            sentences.append(
                "Redis may evict sessions and revocations when its memory is full; set "
                "maxmemory-policy to noeviction."
            )
        return sentences

    def _translating_errors(self) -> AbstractContextManager[None]:
        return translating_errors(self._drop_connections, is_cluster=self._is_cluster)

    def _drop_connections(self) -> None:
        if not self._is_cluster:  # a cluster names the server that takes writes
            self.client.connection_pool.disconnect(inuse_connections=False)

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


class _Process:
    """Hold what each process has separately."""

    def __init__(self, client: Any, sentinels: list[Any]) -> None:
        self.id = os.getpid()
        self.client = client
        self.sentinels = sentinels


_abandoned: list[_Process] = []
