"""The clients of the Redis store: for one server, for a cluster, and for Sentinels."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from ._base import DEFAULT_SERVICE


def make_client(uri: str, timeout: float) -> tuple[Any, list[Any]]:
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
        return LazyCluster([ClusterNode(*host) for host in hosts], options), []
    service = parts.path.strip("/") or DEFAULT_SERVICE
    # Each attempt of the client asks all Sentinels. With retries of their own, a few Sentinels that
    # hang would multiply the timeout.
    timeouts = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    sentinel = Sentinel(hosts, sentinel_kwargs={**timeouts, "retry": Retry(NoBackoff(), 0)})
    return sentinel.master_for(service, **options), sentinel.sentinels


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
