"""``LoginLimits``: after how many failures a login has to wait, and for how long."""

from __future__ import annotations

import pytest

from flask_jwt import ConfigError
from flask_jwt._clock import Clock as AppClock
from flask_jwt._login.limits import LoginLimits
from flask_jwt._login.names import normalize_address, normalize_username
from flask_jwt.errors import TooManyLoginAttempts

JOE, ANN = ("joe", "192.0.2.1"), ("ann", "192.0.2.1")


@pytest.fixture
def make_limits(clock):
    # At the begin of an hour and of a day, so that no window ends in the middle of a test.
    clock.now -= clock.now % 86400

    def make_limits(limits="3/minute"):
        return LoginLimits(limits, None, "", AppClock(clock))

    return make_limits


def wait_of(login_limits, who=JOE):
    """Try to log in and fail; return 0, or how long to wait."""
    try:
        login_limits.begin(*who)
    except TooManyLoginAttempts as error:
        return int(error.headers["Retry-After"])
    return 0


@pytest.mark.parametrize(
    ("limits", "waits"),
    [
        ("1/minute", [0, 60, 60]),
        ("3/minute", [0, 0, 0, 60, 60]),
        ("2/hour", [0, 0, 3600]),
        ("5/minute; 3/hour", [0, 0, 0, 3600]),
        ("3/minute; 100/hour", [0, 0, 0, 60]),
        ("2 per 30 second", [0, 0, 30]),
    ],
)
def test_when_a_limit_is_reached(make_limits, limits, waits):
    login_limits = make_limits(limits)
    assert [wait_of(login_limits) for _ in waits] == waits


def test_each_further_wait_is_twice_as_long_up_to_the_longest_window(make_limits, clock):
    login_limits = make_limits("2/minute; 1000/hour")
    waits = []
    for _ in range(8):
        while not (wait := wait_of(login_limits)):
            pass
        waits.append(wait)
        clock.tick(wait + 1)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


@pytest.mark.parametrize(("passed", "wait"), [(0, 60), (1, 59), (0.5, 60), (59.5, 1), (60, 0)])
def test_the_rest_of_the_wait_is_reported(make_limits, clock, passed, wait):
    login_limits = make_limits()
    for _ in range(4):
        wait_of(login_limits)
    clock.tick(passed)
    assert wait_of(login_limits) == wait


@pytest.mark.parametrize(
    ("finish", "waits"),
    [
        (None, [60]),
        ("succeed", [0, 0, 0, 60]),
        ("forgive", [0, 60]),
    ],
)
def test_what_becomes_of_the_failures_before(make_limits, finish, waits):
    """Two attempts fail, and the third ends in one of these ways."""
    login_limits = make_limits()
    for _ in range(2):
        login_limits.begin(*JOE)
    attempt = login_limits.begin(*JOE)
    if finish:
        getattr(attempt, finish)()
    assert [wait_of(login_limits) for _ in waits] == waits


def test_an_account_is_limited_at_one_address_only(make_limits):
    login_limits = make_limits()
    for _ in range(4):
        wait_of(login_limits)
    assert wait_of(login_limits, ("joe", "192.0.2.2")) == 0
    assert wait_of(login_limits, ANN) == 0


def test_an_address_is_limited_after_failures_of_many_accounts(make_limits):
    login_limits = make_limits()
    waits = [wait_of(login_limits, (f"user-{number}", "192.0.2.1")) for number in range(5)]
    assert waits == [0, 0, 0, 60, 60]
    assert wait_of(login_limits, ("another", "192.0.2.1")) == 60
    assert wait_of(login_limits, ("another", "192.0.2.2")) == 0


def test_a_wait_that_another_clock_has_set_counts_no_longer(make_limits, clock):
    login_limits = make_limits()
    clock.tick(10 * 86400)
    for _ in range(4):
        wait_of(login_limits)
    clock.tick(-5 * 86400)
    assert wait_of(login_limits) == 0


@pytest.mark.parametrize("limits", ["", "often", "0.5/minute", "10", "ten/minute", "5/fortnight"])
def test_limits_that_can_not_be_parsed_are_an_error(make_limits, limits):
    with pytest.raises(ConfigError, match="10/minute; 100/hour"):
        make_limits(limits)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("joe", "jo"),
        ("Joe ", "jo"),
        ("JOS\u00c9", "jose"),
        ("jose\u0301", "jose"),
        ("\uff4a\uff4f\uff45", "jo"),
        ("j\u200boe\u00ad", "jo"),
        ("stra\u00dfe", "strase"),
        ("strase", "strase"),
        ("M\u00fcller", "muller"),
        ("mueller", "muller"),
        ("", ""),
        ("\u674e", "\u674e"),
    ],
)
def test_names_that_a_database_may_take_for_one_are_one(given, name):
    assert normalize_username(given) == name


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:1024", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:3::4]:80", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
        ("", "nowhere"),
        (None, "nowhere"),
    ],
)
def test_addresses_of_one_client_are_one(given, address):
    assert normalize_address(given) == address
