"""Create the clients of the Redis store: for one server, for a cluster, and for Sentinels."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from ..errors import ConfigError
from ._base import DEFAULT_SERVICE
from ._redis_connections import (
    ClusterPool,
    LimitedConnection,
    LimitedSentinelConnection,
    LimitedSSLConnection,
    LimitedUnixConnection,
    limited,
)

_CLUSTER_SHARE = 2 / 3
"""The share of the time that a node of a cluster has to respond. In the rest, other nodes are asked
where the slots of one that doesn't respond are now."""


def make_client(uri: str, timeout: float) -> tuple[Any, list[Any]]:
    """Return a client for *uri*, and the clients of its Sentinels, if it has any.

    :raises ConfigError: if *uri* has an unknown option
    """
    # By default redis-py retries with a backoff, for longer than a request may wait.
    options: dict[str, Any] = {"decode_responses": True, "retry": Retry(NoBackoff(), 1)}
    parts = urlsplit(uri)
    if parts.scheme not in ("redis+cluster", "redis+sentinel"):
        # "unix" and "rediss" are the schemes of redis-py for these connections.
        kinds: dict[str, type] = {"rediss": LimitedSSLConnection, "unix": LimitedUnixConnection}
        kind = kinds.get(parts.scheme, LimitedConnection)
        options["connection_class"] = limited(kind, timeout)
        return _check_options(Redis.from_url(uri, **options)), []
    addresses = parts.netloc.rpartition("@")[2].split(",")
    hosts = [_parse_address(address) for address in addresses]
    # In this way redis-py gives each option of the query its type.
    options.update(parse_url(f"redis://{addresses[0]}?{parts.query}"))
    options.pop("host")
    options.pop("port")
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    if parts.scheme == "redis+cluster":
        return LazyCluster(hosts, options, timeout), []
    service = parts.path.strip("/") or DEFAULT_SERVICE
    # Each attempt of the client asks all Sentinels. If these connections retried too, or if the
    # first one could use all of the time, a single one that hangs would be an outage.
    sentinel = Sentinel(hosts, sentinel_kwargs={"retry": Retry(NoBackoff(), 0)})
    for client in sentinel.sentinels:
        client.connection_pool.connection_class = limited(
            LimitedConnection, timeout, 1 / (len(hosts) + 1)
        )
    connections = limited(LimitedSentinelConnection, timeout)
    client = sentinel.master_for(service, **{**options, "connection_class": connections})
    return _check_options(client), sentinel.sentinels


def _check_options(client: Any) -> Any:
    try:
        client.connection_pool.make_connection()
    except TypeError as error:
        name = str(error).rpartition("argument ")[2]
        raise ConfigError(f"JWT_STORAGE_URI has an invalid option {name}") from None
    client.connection_pool.reset()
    return client


def _parse_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError
    return host.strip("[]"), int(port)


class LazyCluster:
    """Connect to a Redis Cluster at the first use.

    RedisCluster connects in its constructor, so an application could not start while the cluster is
    down.
    """

    def __init__(
        self, hosts: list[tuple[str, int]], options: dict[str, Any], timeout: float
    ) -> None:
        self._hosts = hosts
        self._options = {
            **options,
            "connection_class": limited(LimitedConnection, timeout, _CLUSTER_SHARE),
            "connection_pool_class": ClusterPool,
        }
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        client = self._client
        if client is None:
            client = self._connect()
        return getattr(client, name)

    def _connect(self) -> Any:
        # Only with the URL of a node, RedisCluster uses the given class of connections.
        (host, port), *others = self._hosts
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        nodes = [ClusterNode(*other) for other in others]
        client = RedisCluster(url=f"redis://{address}", startup_nodes=nodes, **self._options)
        if self._client is None:
            self._client = client
        else:  # another thread was faster
            _close_cluster(client)
        return self._client

    def close(self) -> None:
        """Close the connections, if there are any; the next use reconnects."""
        client, self._client = self._client, None
        if client is not None:
            _close_cluster(client)


def _close_cluster(client: Any) -> None:
    client.close()
    # Its nodes leave a class of pools that was given to them open.
    for node in client.get_nodes():
        if node.redis_connection is not None:
            node.redis_connection.connection_pool.disconnect()
