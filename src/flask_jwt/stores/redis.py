"""Sessions in Redis: a hash for each, with the session's own expiry; Cluster and Sentinel too.

A revocation that was acknowledged survives a restart of Redis only with ``appendonly yes`` and
``appendfsync always``; with ``everysec`` the last second may be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import StoreUnavailable
from ._base import DEFAULT_SERVICE, Session, bad_uri, missing_driver

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
_FEED_KEPT = 90 * 86400

# To register a script is to compute its digest, which needs no server. A call names the client that
# runs it, and sends the script where its server doesn't know it yet.
_register = Redis().register_script

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

_MOMENTS = ("created_at", "rotated_at", "expires_at", "idle_expires_at", "revoked_at")


class RedisStore:
    """A hash per session, a sorted set per subject, and one of revocations.

    The two sets only help to find sessions; what a session's hash says is what counts.

    :param uri: ``redis://``, ``rediss://``, ``unix://``, ``redis+cluster://host:port,host:port`` or
        ``redis+sentinel://host:port,host:port/service``
    :param timeout: seconds to wait for a connection or an answer
    """

    def __init__(self, uri: str, timeout: float) -> None:
        try:
            self.client, self._sentinels = _connect(uri, timeout)
        except ValueError:
            raise bad_uri() from None

    def setup(self) -> None:
        """See whether it answers."""
        with _reporting():
            self.client.ping()

    def close(self) -> None:
        """Close the connections; the next operation makes new ones."""
        self.client.close()
        for sentinel in self._sentinels:
            sentinel.close()

    def create(self, session: Session) -> None:
        """Keep a new session until it expires."""
        fields: list[str] = []
        for name, value in asdict(session).items():
            if value is not None:
                fields += (name, _text(value))
        with _reporting():
            self._run(_CREATE, session.sid, int(session.expires_at) + 1, *fields)
            self.client.zadd(_subject(session.subject), {session.sid: session.expires_at})

    def get(self, sid: str) -> Session | None:
        """The session, or None."""
        with _reporting():
            return _session(self.client.hgetall(_key(sid)))

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next, in one script."""
        idle = "" if idle_expires_at is None else repr(idle_expires_at)
        with _reporting():
            return bool(self._run(_ROTATE, sid, str(generation), repr(now), idle))

    def revoke(self, sid: str, now: float) -> bool:
        """End a session for good."""
        with _reporting():
            is_first = bool(self._run(_REVOKE, sid, repr(now)))
            # Again for one already revoked: the last attempt may have stopped between the two.
            self.client.zadd(_FEED, {sid: now}, nx=True)
            self.client.zremrangebyscore(_FEED, "-inf", now - _FEED_KEPT)
        return is_first

    def rename(self, sid: str, label: str | None) -> bool:
        """Give a session another label."""
        with _reporting():
            return bool(self._run(_RENAME, sid, label or ""))

    def list_active(self, subject: str, now: float) -> list[Session]:
        """The subject's active sessions, oldest first."""
        with _reporting():
            self.client.zremrangebyscore(_subject(subject), "-inf", now)
            sids = self.client.zrange(_subject(subject), 0, -1)
            sessions = [_session(values) for values in self._read(sids)]
        active = [s for s in sessions if s is not None and s.is_active(now)]
        return sorted(active, key=lambda session: (session.created_at, session.sid))

    def revoked_since(self, moment: float) -> Iterable[tuple[str, float]]:
        """Sid and moment of each revocation from *moment* on."""
        with _reporting():
            return list(self.client.zrangebyscore(_FEED, moment, "+inf", withscores=True))

    def prune(self, before: float, limit: int) -> int:  # noqa: ARG002
        """Redis forgets by itself; 0."""
        return 0

    def count(self, now: float) -> dict[str, int]:
        """How many sessions are active and revoked; Redis has forgotten the expired."""
        counts = {"active": 0, "revoked": 0, "expired": 0}
        with _reporting():
            for key in self.client.scan_iter(match="jwt:{*}", count=1000):
                session = _session(self.client.hgetall(key))
                if session is not None:
                    is_active = session.is_active(now)
                    kind = "revoked" if session.revoked_at else "active" if is_active else "expired"
                    counts[kind] += 1
        return counts

    def warnings(self) -> list[str]:
        """Whether a restart of Redis, or full memory, would forget a logout."""
        with _reporting():
            if isinstance(self.client, _LazyCluster):
                infos = self.client.info(target_nodes=RedisCluster.PRIMARIES)
                nodes = list(infos.values()) if "aof_enabled" not in infos else [infos]
            else:
                nodes = [self.client.info()]
        sentences = []
        if any(not int(node.get("aof_enabled", 0)) for node in nodes):
            sentences.append(
                "Redis keeps no append-only file, so a restart may forget that somebody logged "
                "out. Set appendonly yes, and appendfsync always to lose nothing at all."
            )
        if any(str(node.get("maxmemory_policy", "")).startswith("allkeys") for node in nodes):
            sentences.append(
                "Redis may evict revocations when its memory is full; set maxmemory-policy to "
                "noeviction or a volatile one."
            )
        return sentences

    def _run(self, script: Any, sid: str, *arguments: Any) -> Any:
        return script(keys=[_key(sid)], args=arguments, client=self.client)

    def _read(self, sids: list[str]) -> list[dict[str, str]]:
        if not sids:
            return []
        with self.client.pipeline(transaction=False) as pipe:
            for sid in sids:
                pipe.hgetall(_key(sid))
            return list(pipe.execute())


def _connect(uri: str, timeout: float) -> tuple[Any, list[Any]]:
    """Return a client for *uri*, and the clients of the sentinels that it asks, if any."""
    # redis-py retries and backs off by itself for longer than a request may wait.
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 1),
    }
    parts = urlsplit(uri)
    if parts.scheme not in ("redis+cluster", "redis+sentinel"):
        return Redis.from_url(uri, **options), []
    place = parts.netloc.rpartition("@")[2]
    hosts = [_host(text) for text in place.split(",")]
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    if parts.scheme == "redis+cluster":
        return _LazyCluster([ClusterNode(*host) for host in hosts], options), []
    service = parts.path.strip("/") or DEFAULT_SERVICE
    # Each retry of ours asks all the sentinels, so they aren't asked again and again themselves.
    wait = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    sentinel = Sentinel(hosts, sentinel_kwargs={**wait, "retry": Retry(NoBackoff(), 0)})
    return sentinel.master_for(service, **options), sentinel.sentinels


class _LazyCluster:
    """A RedisCluster that connects at first use, so that an application starts without it."""

    def __init__(self, nodes: list[ClusterNode], options: dict[str, Any]) -> None:
        self._nodes = nodes
        self._options = options
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._client is None:
            self._client = RedisCluster(startup_nodes=self._nodes, **self._options)
        return getattr(self._client, name)

    def close(self) -> None:
        """Close the cluster's connections, if there are any; the next use connects again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError
    return host.strip("[]"), int(port)


def _key(sid: str) -> str:
    return f"jwt:{{{sid}}}"


def _subject(subject: str) -> str:
    return f"jwt:subject:{subject}"


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _session(values: dict[str, str]) -> Session | None:
    if "sid" not in values:
        return None
    known: dict[str, Any] = dict(values)
    known["generation"] = int(known["generation"])
    for name in _MOMENTS:
        if name in known:
            known[name] = float(known[name])
    return Session(**known)


@contextmanager
def _reporting() -> Iterator[None]:
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        lost = isinstance(error, LostConnection)
        raise StoreUnavailable.because(error, lost_connection=lost) from error
