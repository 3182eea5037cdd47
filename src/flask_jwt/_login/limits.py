"""Limit failed logins. The library ``limits`` parses the option and counts in Redis.

There are two types of counters. One counts the failed logins to one account from one address, the
other counts the accounts with failed logins from one address. So an attack on one account locks out
neither the account's owner, who has another address, nor other users behind the attacker's address.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import unicodedata
from importlib.util import find_spec
from threading import Lock
from typing import Any, NamedTuple

from .._clock import Clock
from .._sessions.circuit_breaker import CircuitBreakerStore
from ..errors import ConfigError, StoreUnavailable, TooManyLoginAttempts
from ..stores._base import DEFAULT_SERVICE, REDIS_SCHEMES

STRIKES_KEPT = 86400
"""The seconds of a day. The strikes, which are the times that a limit was exceeded, are counted per
day."""

_MAX_USERNAME = 1024
"""The rest of a longer user name is ignored; no real one is longer."""

_MOST_COUNTERS = 50_000
"""The most counters that a process keeps; beyond that it drops the least recently used ones."""

_MISSING = "pip install 'Flask-JWT-Too[limits]'"


def limits_are_installed() -> bool:
    """Return whether the library ``limits`` is installed."""
    return find_spec("limits") is not None


class _Window(NamedTuple):
    """A number of failures allowed in a number of seconds."""

    amount: int
    seconds: int


class Attempt:
    """A login attempt, which is counted as failed until its result is known."""

    def __init__(self, limits: LoginLimits, account_key: str, counted: list[str]) -> None:
        self._limits = limits
        self._account_key = account_key
        self._counted = counted
        """The keys of the counters that this attempt has incremented."""

    def succeed(self) -> None:
        """Reset the counters of the account at this address."""
        self.forgive()
        self._limits.reset(self._account_key)

    def forgive(self) -> None:
        """Decrement the counters, as if the login had not been attempted."""
        self._limits.decrement(self._counted)


class _RedisCounters:
    """Count in Redis, raising :class:`StoreUnavailable` if the Redis can't be reached."""

    def __init__(self, uri: str, timeout: float) -> None:
        # For the scheme unix: of redis-py and the session store, the library expects redis+unix:.
        self._uri = uri.replace("unix://", "redis+unix://", 1) if uri[:4] == "unix" else uri
        self._timeout = timeout
        self._storage: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def operation(*args: object) -> Any:
            try:
                return getattr(self._open(), name)(*args)
            except Exception as error:  # redis-py's, a DNS resolver's or the library's own
                raise StoreUnavailable.because(error) from error

        return operation

    def warnings(self) -> list[str]:
        return []

    def _open(self) -> Any:
        # Not in __init__: a client for a cluster connects to it as soon as it is created.
        if self._storage is None:
            from limits.storage import storage_from_string

            timeouts = {"socket_timeout": self._timeout, "socket_connect_timeout": self._timeout}
            options = {**timeouts, **self._sentinel_options(timeouts)}
            self._storage = storage_from_string(self._uri, **options)
        return self._storage

    def _sentinel_options(self, timeouts: dict[str, float]) -> dict[str, Any]:
        """Return the same options as ``stores.redis`` passes for Sentinel."""
        if not self._uri.startswith("redis+sentinel:"):
            return {}
        sentinels = {**timeouts, "retry": None, "username": None, "password": None}
        more = {"retry": None, "use_replicas": False, "sentinel_kwargs": sentinels}
        return {**more, "service_name": DEFAULT_SERVICE}


class _MemoryCounters:
    """Count in this process's memory, with a bound on the number of counters."""

    # Not the library's memory storage: it loses increments that threads make at the same time,
    # iterates over all counters again and again, and has no bound, so that an attacker
    # decides how much memory it takes.

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._counts: dict[str, tuple[int, float]] = {}
        """The count and the expiry time of each key; the most recently changed are last."""

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        with self._lock:
            now = self._clock.now()
            count, expires_at = self._counts.pop(key, (0, 0.0))
            if expires_at <= now:
                count, expires_at = 0, now + expiry
            if len(self._counts) >= _MOST_COUNTERS:
                self._make_room(now)
            self._counts[key] = count + amount, expires_at
            return count + amount

    def get(self, key: str) -> int:
        count, expires_at = self._counts.get(key, (0, 0.0))
        return count if expires_at > self._clock.now() else 0

    def clear(self, key: str) -> None:
        with self._lock:
            self._counts.pop(key, None)

    def _make_room(self, now: float) -> None:
        # This iterates over all counters, so a quarter of them is dropped at once. Otherwise each
        # new counter would have to make room again.
        kept = [(key, entry) for key, entry in self._counts.items() if entry[1] > now]
        self._counts = dict(kept[-3 * _MOST_COUNTERS // 4 :])


class LoginLimits:
    """Reject logins after too many failed ones, for longer each time.

    When a limit such as ``10/minute`` is exceeded, logins are rejected for the length of its
    window, one minute. If the limit is exceeded again on the same day, this wait is doubled each
    time, up to the length of the longest window.

    :param limits: for example ``"10/minute; 100/hour"``
    :param storage_uri: the URI of a Redis that holds the counters. If it isn't a Redis, and while
        the Redis is down, each process counts in its memory
    :param timeout: seconds to wait for the Redis
    :param clock: the application's clock
    :raises ConfigError: if *limits* is invalid, or the library is not installed
    """

    def __init__(self, limits: str, storage_uri: str | None, timeout: float, clock: Clock) -> None:
        try:
            from limits import parse_many
        except ModuleNotFoundError:
            raise ConfigError(f"JWT_LOGIN_LIMITS needs the library limits: {_MISSING}") from None
        try:
            parsed = parse_many(limits)
        except ValueError:
            raise ConfigError(
                f"JWT_LOGIN_LIMITS: {limits!r} is invalid; write it like '10/minute; 100/hour'"
            ) from None
        self._windows = [_Window(item.amount, item.get_expiry()) for item in parsed]
        self._longest = max(window.seconds for window in self._windows)
        self._clock = clock
        self._memory = _MemoryCounters(clock)
        self._shared: Any = None
        if storage_uri is not None and storage_uri.partition(":")[0] in REDIS_SCHEMES:
            redis_counters: Any = _RedisCounters(storage_uri, timeout)
            self._shared = CircuitBreakerStore(
                redis_counters,
                clock,
                name="Redis of the login limits",
                meanwhile=" (until then, each process counts failed logins in its memory)",
            )

    def begin(self, account: str, address: str | None) -> Attempt:
        """Count a login as failed before its password is checked.

        The caller then calls :meth:`Attempt.succeed` or :meth:`Attempt.forgive`, or neither if the
        login has failed.

        :param account: the user name as the client sent it
        :param address: the client's address
        :raises TooManyLoginAttempts: if logins are rejected at the moment
        """
        # If failures were counted only after the password was checked, an attacker could exceed the
        # limit with many attempts at the same time.
        client = normalize_address(address)
        account_key, address_key = _digest(normalize_username(account), client), _digest(client)
        self._check_wait(account_key)
        self._check_wait(address_key)
        return Attempt(self, account_key, self._count(account_key, address_key))

    def reset(self, account_key: str) -> None:
        """Delete the counters of an account at an address."""
        counters = self._counters(account_key).values()
        for key in (*counters, f"{account_key}/until", self._strikes_key(account_key)):
            self._call("clear", key)

    def decrement(self, counted: list[str]) -> None:
        """Decrement the counters that an attempt has incremented."""
        for key in counted:
            self._call("incr", key, self._longest, -1)

    def _count(self, account_key: str, address_key: str) -> list[str]:
        counted = []
        address_counters = self._counters(address_key)
        for window, counter in self._counters(account_key).items():
            # Kept for two windows, so that processes whose clocks differ a little count together.
            count = self._call("incr", counter, 2 * window.seconds)
            counted.append(counter)
            self._check_count(account_key, window, count)
            # The counter of the address counts accounts, so only the first failure of each account
            # increments it. A user who mistypes a password repeatedly doesn't lock out colleagues
            # behind the same address.
            if count == 1:
                counted.append(address_counters[window])
                count = self._call("incr", address_counters[window], 2 * window.seconds)
                self._check_count(address_key, window, count)
        return counted

    def _check_count(self, key: str, window: _Window, count: int) -> None:
        if count <= window.amount:
            return
        wait = float(window.seconds)
        if count == window.amount + 1:  # only one caller gets this count, so only one sets the time
            strikes = self._call("incr", self._strikes_key(key), STRIKES_KEPT)
            wait = min(wait * 2 ** min(strikes - 1, 32), self._longest)
            # The library can't set a value, only delete one and increment from zero.
            self._call("clear", f"{key}/until")
            until = math.ceil(self._clock.now() + wait)
            self._call("incr", f"{key}/until", math.ceil(wait) + 1, until)
        raise TooManyLoginAttempts(math.ceil(wait))

    def _check_wait(self, key: str) -> None:
        remaining = self._call("get", f"{key}/until") - self._clock.now()
        # No wait is longer than the longest window; a longer one was set by a wrong clock.
        if 0 < remaining <= self._longest + 1:
            raise TooManyLoginAttempts(min(math.ceil(remaining), self._longest))

    def _counters(self, key: str) -> dict[_Window, str]:
        """Return the key of the counter for each window at the current time."""
        now = self._clock.now()
        return {w: f"{key}/{w.seconds}/{int(now // w.seconds)}" for w in self._windows}

    def _strikes_key(self, key: str) -> str:
        return f"{key}/strikes/{int(self._clock.now() // STRIKES_KEPT)}"

    def _call(self, operation: str, *args: object) -> int:
        if self._shared is not None:
            try:
                return int(getattr(self._shared, operation)(*args) or 0)
            except StoreUnavailable:
                pass  # logged by the circuit breaker; count in memory rather than not at all
        return int(getattr(self._memory, operation)(*args) or 0)


def normalize_username(account: str) -> str:
    """Return the form of a user name under which its failures are counted."""
    # Many databases treat names as equal that differ in case, accents, width, or in spaces and
    # invisible characters. If each variant of "joe" ("Joe", "joe ", "jo\u00e9") had a counter, an
    # attacker would get a full set of attempts for each. The cost is that users with similar names
    # share a counter if they also share an address.
    # Only the start is normalized, because the time may grow with the square of the length.
    letters = unicodedata.normalize("NFKD", account[:_MAX_USERNAME]).casefold()
    return "".join(c for c in letters if unicodedata.category(c) not in ("Mn", "Cf")).strip()


def is_private(address: str) -> bool:
    """Return whether *address* is a loopback or private address, which suggests a proxy."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_private
    except ValueError:
        return False


def normalize_address(address: str | None) -> str:
    """Return the string that identifies a client: an IPv4 address, or the /64 of an IPv6 address.

    A provider's customer usually has at least a /64, and can use any address in it.
    """
    bare = address or ""
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:  # some proxies add a port, which is different for each connection
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return address or "nowhere"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _digest(*parts: str) -> str:
    # A digest, so that Redis holds neither names nor addresses, and all keys are short.
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return "jwt-login/" + hashlib.sha256(joined).hexdigest()[:32]
