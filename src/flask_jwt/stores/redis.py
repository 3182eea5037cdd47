"""Store sessions in Redis, Redis Cluster or Redis with Sentinels.

An acknowledged revocation survives a restart of Redis only with ``appendonly yes`` and
``appendfsync always``. With ``everysec`` the revocations of the last second may be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import StoreUnavailable
from ._base import DEFAULT_SERVICE, Session, invalid_uri, missing_driver

try:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.cluster import ClusterNode, RedisCluster
    from redis.exceptions import ConnectionError as LostConnection
    from redis.exceptions import RedisClusterException, RedisError
    from redis.retry import Retry
    from redis.sentinel import Sentinel
except ModuleNotFoundError:
    raise missing_driver("redis", "redis") from None

_FEED = "jwt:revoked"
_FEED_LIFETIME = 90 * 86400
"""Seconds for which a revocation stays in the sorted set of revocations."""

# Scripts run atomically on the server. They compare and set in one round trip; WATCH and MULTI
# would need three and a retry whenever another client is faster. A script may only use keys of one
# hash slot of a Redis Cluster, so each of these has a single key, the session's.
#
# register_script() computes the digest of the script and needs no server. Each call names the
# client that runs the script, and sends the source only if the server doesn't have it.
_register = Redis().register_script

# EXPIREAT makes Redis delete the session when it expires, so no job has to prune sessions. It is
# set in the same script as the hash, because a crash in between would keep the hash indefinitely.
_CREATE = _register("""
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('EXPIREAT', KEYS[1], ARGV[1])
""")

_ROTATE = _register("""
local s = redis.call('HMGET', KEYS[1], 'generation', 'revoked_at', 'expires_at', 'idle_expires_at')
local now = tonumber(ARGV[2])
if s[1] ~= ARGV[1] or s[2] or tonumber(s[3]) <= now then return 0 end
if s[4] and tonumber(s[4]) <= now then return 0 end
redis.call('HSET', KEYS[1], 'generation', s[1] + 1, 'rotated_at', ARGV[2])
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], 'idle_expires_at')
else redis.call('HSET', KEYS[1], 'idle_expires_at', ARGV[3]) end
return 1
""")

_REVOKE = _register("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'revoked_at', ARGV[1])
""")

_RENAME = _register("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] == '' then redis.call('HDEL', KEYS[1], 'label')
else redis.call('HSET', KEYS[1], 'label', ARGV[1]) end
return 1
""")

_TIME_FIELDS = ("created_at", "rotated_at", "expires_at", "idle_expires_at", "revoked_at")


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
            self.client, self._sentinels = _make_client(uri, timeout)
        except ValueError:
            raise invalid_uri() from None

    def setup(self) -> None:
        """Check that the server responds."""
        with _translating_errors():
            self.client.ping()

    def close(self) -> None:
        """Close the connections; the next operation reconnects."""
        self.client.close()
        for sentinel in self._sentinels:
            sentinel.close()

    def create(self, session: Session) -> None:
        """Store a new session until it expires."""
        fields: list[str] = []
        for name, value in asdict(session).items():
            if value is not None:
                fields += (name, str(value))
        with _translating_errors():
            # EXPIREAT takes whole seconds, and the session must not disappear before it expires.
            self._run(_CREATE, session.sid, int(session.expires_at) + 1, *fields)
            self.client.zadd(_subject_key(session.subject), {session.sid: session.expires_at})

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        with _translating_errors():
            return _parse_session(self.client.hgetall(_key(sid)))

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next one, in one script."""
        idle = "" if idle_expires_at is None else repr(idle_expires_at)
        with _translating_errors():
            return bool(self._run(_ROTATE, sid, str(generation), repr(now), idle))

    def revoke(self, sid: str, now: float) -> bool:
        """Revoke a session."""
        with _translating_errors():
            is_first = bool(self._run(_REVOKE, sid, repr(now)))
            # The set has another key than the session, so this can't be part of the script. It is
            # also done for a session that is already revoked, because a crash or a lost connection
            # may have ended an earlier attempt between the two commands.
            self.client.zadd(_FEED, {sid: now}, nx=True)
            self.client.zremrangebyscore(_FEED, "-inf", now - _FEED_LIFETIME)
        return is_first

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        with _translating_errors():
            return bool(self._run(_RENAME, sid, label or ""))

    def list_active(self, subject: str, now: float) -> list[Session]:
        """Return the active sessions of *subject*, oldest first."""
        key = _subject_key(subject)
        with _translating_errors():
            # Redis deletes expired hashes but not the members of a set.
            self.client.zremrangebyscore(key, "-inf", now)
            sids = self.client.zrange(key, 0, -1)
            sessions = [_parse_session(values) for values in self._read_hashes(sids)]
        active = [s for s in sessions if s is not None and s.is_active(now)]
        return sorted(active, key=lambda session: (session.created_at, session.sid))

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        with _translating_errors():
            return list(self.client.zrangebyscore(_FEED, since, "+inf", withscores=True))

    def prune(self, before: float, limit: int) -> int:  # noqa: ARG002
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

    def warnings(self) -> list[str]:
        """Return a sentence about each setting of Redis that may lose revocations."""
        with _translating_errors():
            if isinstance(self.client, _LazyCluster):
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

    def _run(self, script: Any, sid: str, *arguments: Any) -> Any:
        return script(keys=[_key(sid)], args=arguments, client=self.client)

    def _read_hashes(self, sids: list[str]) -> list[dict[str, str]]:
        if not sids:
            return []
        # One round trip for all sessions. A transaction could not span several slots of a cluster.
        with self.client.pipeline(transaction=False) as pipe:
            for sid in sids:
                pipe.hgetall(_key(sid))
            return list(pipe.execute())


def _make_client(uri: str, timeout: float) -> tuple[Any, list[Any]]:
    """Return a client for *uri*, and the clients of its Sentinels, if it has any."""
    # By default redis-py retries with a backoff, for longer than a request may wait.
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 1),
    }
    parts = urlsplit(uri)
    if parts.scheme not in ("redis+cluster", "redis+sentinel"):
        return Redis.from_url(uri, **options), []
    addresses = parts.netloc.rpartition("@")[2].split(",")
    hosts = [_parse_address(address) for address in addresses]
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    if parts.scheme == "redis+cluster":
        return _LazyCluster([ClusterNode(*host) for host in hosts], options), []
    service = parts.path.strip("/") or DEFAULT_SERVICE
    # Each attempt of the client asks all Sentinels. With retries of their own, a few Sentinels that
    # hang would multiply the timeout.
    timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    sentinel = Sentinel(hosts, sentinel_kwargs={**timeouts, "retry": Retry(NoBackoff(), 0)})
    return sentinel.master_for(service, **options), sentinel.sentinels


class _LazyCluster:
    """Connect to a Redis Cluster at the first use.

    RedisCluster connects in its constructor, so an application could not start while the cluster is
    down.
    """

    def __init__(self, nodes: list[ClusterNode], options: dict[str, Any]) -> None:
        self._nodes = nodes
        self._options = options
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._client is None:
            self._client = RedisCluster(startup_nodes=self._nodes, **self._options)
        return getattr(self._client, name)

    def close(self) -> None:
        """Close the connections, if there are any; the next use reconnects."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _parse_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError
    return host.strip("[]"), int(port)


def _key(sid: str) -> str:
    # The braces distinguish sessions from the keys of the indexes, so that count() can scan them.
    return f"jwt:{{{sid}}}"


def _subject_key(subject: str) -> str:
    return f"jwt:subject:{subject}"


def _parse_session(values: dict[str, str]) -> Session | None:
    if "sid" not in values:
        return None
    fields: dict[str, Any] = dict(values)
    fields["generation"] = int(fields["generation"])
    for name in _TIME_FIELDS:
        if name in fields:
            fields[name] = float(fields[name])
    return Session(**fields)


@contextmanager
def _translating_errors() -> Iterator[None]:
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        # RedisClusterException is not a RedisError.
        is_lost = isinstance(error, LostConnection)
        raise StoreUnavailable.because(error, lost_connection=is_lost) from error
