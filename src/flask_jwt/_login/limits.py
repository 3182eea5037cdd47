"""How often a login may fail. The notation, and the counters in Redis, are the library ``limits``'.

Failures are counted for each account at an address, and for each address the accounts that fail
there: an attack on one account then locks nobody else out who shares its address.
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
"""Seconds for which it counts how often somebody was made to wait."""

_MOST_OF_A_NAME = 1024
"""Characters of a user name that are looked at; nobody's is longer."""

_MOST_COUNTERS = 50_000
"""That a process keeps in memory; then those go that were not used for longest."""

_MISSING = "pip install 'Flask-JWT-Too[limits]'"


def limits_are_installed() -> bool:
    """Whether the library is there."""
    return find_spec("limits") is not None


class _Window(NamedTuple):
    """So many failures in so many seconds."""

    amount: int
    seconds: int


class Attempt:
    """A login that is being tried."""

    def __init__(self, throttle: LoginThrottle, own: str, counted: list[str]) -> None:
        self._throttle = throttle
        self._own = own
        self._counted = counted
        """The counters that it has raised."""

    def succeed(self) -> None:
        """Forget the failures of its account at its address."""
        self.forgive()
        self._throttle.clear(self._own)

    def forgive(self) -> None:
        """Take it as if it had not been tried."""
        self._throttle.lower(self._counted)


class _Counters:
    """Counters in Redis that say :class:`StoreUnavailable` where they can't be had."""

    def __init__(self, uri: str, timeout: float) -> None:
        self._uri = uri.replace("unix://", "redis+unix://", 1) if uri[:4] == "unix" else uri
        self._timeout = timeout
        self._storage: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def operation(*args: Any) -> Any:
            try:
                return getattr(self._opened(), name)(*args)
            except Exception as error:  # of redis-py, of a resolver, of limits' own
                raise StoreUnavailable.because(error) from error

        return operation

    def warnings(self) -> list[str]:
        return []

    def _opened(self) -> Any:
        # A cluster is asked for its nodes when the client is made, so not before it is needed.
        if self._storage is None:
            from limits.storage import storage_from_string

            wait = {"socket_timeout": self._timeout, "socket_connect_timeout": self._timeout}
            self._storage = storage_from_string(self._uri, **wait, **self._sentinel_options(wait))
        return self._storage

    def _sentinel_options(self, wait: dict[str, float]) -> dict[str, Any]:
        """What the session store does, too: see there."""
        if not self._uri.startswith("redis+sentinel:"):
            return {}
        sentinels = {**wait, "retry": None, "username": None, "password": None}
        more = {"retry": None, "use_replicas": False, "sentinel_kwargs": sentinels}
        return {**more, "service_name": DEFAULT_SERVICE}


class _Memory:
    """Counters in this process. The library's own would lose counts that threads make at once, look
    through all of them again and again, and have no bound: an attacker decides how many there are.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._counts: dict[str, tuple[int, float]] = {}
        """Each with the moment at which it is over; those changed last are last."""

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        with self._lock:
            now = self._clock.now()
            count, until = self._counts.pop(key, (0, 0.0))
            if until <= now:
                count, until = 0, now + expiry
            if len(self._counts) >= _MOST_COUNTERS:
                self._make_room(now)
            self._counts[key] = count + amount, until
            return count + amount

    def get(self, key: str) -> int:
        count, until = self._counts.get(key, (0, 0.0))
        return count if until > self._clock.now() else 0

    def clear(self, key: str) -> None:
        with self._lock:
            self._counts.pop(key, None)

    def _make_room(self, now: float) -> None:
        kept = [(key, entry) for key, entry in self._counts.items() if entry[1] > now]
        self._counts = dict(kept[-3 * _MOST_COUNTERS // 4 :])


class LoginThrottle:
    """Makes those wait who fail too often, longer each time.

    An attempt counts when it begins, so that many at once don't slip through, and is forgotten if
    it succeeds. Where a limit is passed nothing is tried any more for the length of its window;
    each further time on the same day for twice as long, but never longer than the longest window.

    :param limits: such as ``"10/minute; 100/hour"``
    :param storage_uri: a Redis to count in; anything else counts in this process's memory, and so
        does a Redis for as long as it doesn't answer
    :param timeout: seconds to wait for it
    :param clock: the application's
    :raises ConfigError: if *limits* can't be read, or the library is missing
    """

    def __init__(self, limits: str, storage_uri: str | None, timeout: float, clock: Clock) -> None:
        try:
            from limits import parse_many
        except ModuleNotFoundError:
            raise ConfigError(f"JWT_LOGIN_LIMITS needs limits: {_MISSING}") from None
        try:
            parsed = parse_many(limits)
        except ValueError:
            raise ConfigError(
                f"JWT_LOGIN_LIMITS: {limits!r} can't be used; write it like '10/minute; 100/hour'"
            ) from None
        self._windows = [_Window(item.amount, item.get_expiry()) for item in parsed]
        self._longest = max(window.seconds for window in self._windows)
        self._clock = clock
        self._memory = _Memory(clock)
        self._shared: Any = None
        if storage_uri is not None and storage_uri.partition(":")[0] in REDIS_SCHEMES:
            counters: Any = _Counters(storage_uri, timeout)
            self._shared = CircuitBreakerStore(
                counters,
                clock,
                name="Redis of the login limits",
                meanwhile=" (each process counts failed logins in its memory meanwhile)",
            )

    def begin(self, account: str, address: str | None) -> Attempt:
        """Count a login as failed before it is tried; then :meth:`Attempt.succeed` or
        :meth:`Attempt.forgive`.

        :param account: the user name as it was given
        :param address: the client's
        :raises TooManyLoginAttempts: if it may not be tried now
        """
        place = normalize_address(address)
        own, others = _digest(normalize_username(account), place), _digest(place)
        self._check_wait(own)
        self._check_wait(others)
        return Attempt(self, own, self._count(own, others))

    def clear(self, own: str) -> None:
        """Forget the failures of an account at an address."""
        for key in (*self._keys(own).values(), f"{own}/until", self._strikes(own)):
            self._ask("clear", key)

    def lower(self, counted: list[str]) -> None:
        """Take back what an attempt has counted."""
        for key in counted:
            self._ask("incr", key, self._longest, -1)

    def _count(self, own: str, others: str) -> list[str]:
        counted = []
        other_keys = self._keys(others)
        for window, key in self._keys(own).items():
            count = self._ask("incr", key, 2 * window.seconds)
            counted.append(key)
            self._check_count(own, window, count)
            if count == 1:
                counted.append(other_keys[window])
                count = self._ask("incr", other_keys[window], 2 * window.seconds)
                self._check_count(others, window, count)
        return counted

    def _check_count(self, who: str, window: _Window, count: int) -> None:
        if count <= window.amount:
            return
        wait = float(window.seconds)
        if count == window.amount + 1:  # one caller gets this count, and says for how long
            strikes = self._ask("incr", self._strikes(who), STRIKES_KEPT)
            wait = min(wait * 2 ** min(strikes - 1, 32), self._longest)
            self._ask("clear", f"{who}/until")
            until = math.ceil(self._clock.now() + wait)
            self._ask("incr", f"{who}/until", math.ceil(wait) + 1, until)
        raise TooManyLoginAttempts(math.ceil(wait))

    def _check_wait(self, who: str) -> None:
        remaining = self._ask("get", f"{who}/until") - self._clock.now()
        # Nobody waits for longer than the longest window: a longer wait was set by another clock.
        if 0 < remaining <= self._longest + 1:
            raise TooManyLoginAttempts(min(math.ceil(remaining), self._longest))

    def _keys(self, who: str) -> dict[_Window, str]:
        """The counter of each window that is open now."""
        now = self._clock.now()
        return {w: f"{who}/{w.seconds}/{int(now // w.seconds)}" for w in self._windows}

    def _strikes(self, who: str) -> str:
        return f"{who}/strikes/{int(self._clock.now() // STRIKES_KEPT)}"

    def _ask(self, operation: str, *args: Any) -> int:
        if self._shared is not None:
            try:
                return int(getattr(self._shared, operation)(*args) or 0)
            except StoreUnavailable:
                pass  # it has been logged; nobody is locked out, and nobody let through uncounted
        return int(getattr(self._memory, operation)(*args) or 0)


def normalize_username(account: str) -> str:
    # Databases find "Joe", "joe ", "jo\u00e9" and full-width letters for "joe", and some don't see
    # invisible characters: a profile more is not an account more.
    # The time that Unicode's normalization takes grows with the square of the length.
    letters = unicodedata.normalize("NFKD", account[:_MOST_OF_A_NAME]).casefold()
    return "".join(c for c in letters if unicodedata.category(c) not in ("Mn", "Cf")).strip()


def is_private(address: str) -> bool:
    """Whether *address* is of this machine or of a network of its own, as proxies mostly are."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_private
    except ValueError:
        return False


def normalize_address(address: str | None) -> str:
    """*address*; of IPv6 the /64, which is what one customer has to choose from."""
    bare = address or ""
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:  # some proxies forward a port, which each connection has anew
        bare = bare.partition(":")[0]
    try:
        found = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return address or "nowhere"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _digest(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return "jwt-login/" + hashlib.sha256(text).hexdigest()[:32]
