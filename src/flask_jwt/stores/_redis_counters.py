"""Count failed logins in Redis: one script before an attempt, and one after it."""

from __future__ import annotations

import json
from typing import Any

from redis import Redis

from ._counters import DAY, AttemptKeys, Change, Counter, Decision

_register = Redis().register_script

MOST_SECONDS = 366 * DAY
"""The longest lifetime of a key. A window may be longer; it then counts the failures of a year."""

# A counter is a JSON array: slot, failures of each slot, strikes, blocked_until, counted_in. In the
# same order, a table in these scripts holds them from 1 on.
_READ = """
local function read(value, slot)
    local counter = value and cjson.decode(value)
    if not counter or counter[1] > slot + 240 then return {slot, 0, 0, 0, 0, 0, 0, 0, 0} end
    local passed = slot - counter[1]
    if passed > 0 then
        counter[1] = slot
        for n = 6, 2, -1 do counter[n] = n - passed >= 2 and counter[n - passed] or 0 end
    end
    return counter
end
local function write(key, counter, seconds)
    -- A failure must not shorten the time for which a strike counts.
    if counter[7] > 0 then seconds = math.max(seconds, redis.call('TTL', key)) end
    redis.call('SET', key, cjson.encode(counter), 'EX', string.format('%.0f', seconds))
end
"""

# The same decision as _counters.decide().
_BEGIN = _register(
    _READ
    + """
local now, longest, width, windows = unpack(cjson.decode(ARGV[1]))
local values = redis.call('MGET', unpack(KEYS))
local known = values[1] and tonumber(values[1]) > now
local counters, wait = {{}}, 0
for n = 2, #KEYS do
    local place = (n - 2) % width
    local window = (n - 2 - place) / width
    counters[n] = read(values[n], windows[window + 1][1])
    if known == (place == 0) then
        local remaining = counters[n][8] - now
        if remaining <= longest + 3600 then
            wait = math.max(wait, math.min(remaining, longest))
        end
    end
end
local changed = {}
if wait <= 0 then
    local adding, is_new = {}, false
    for n = 2, #KEYS do
        local place = (n - 2) % width
        local slot, amount, seconds, lifetime = unpack(windows[(n - 2 - place) / width + 1])
        local counter = counters[n]
        if place == 1 then is_new = width == 3 and slot - counter[9] >= 5 end
        if place == 0 or not known and (place == 1 or is_new) then
            local sum = 0
            for m = 2, 6 do sum = sum + counter[m] end
            if known == (place == 0) and sum >= amount then
                local strikes = now - counter[8] < 86400 and counter[7] + 1 or 1
                local length = math.min(seconds * 2 ^ math.min(strikes - 1, 32), longest)
                changed[n] = {counter[1], 0, 0, 0, 0, 0, strikes, now + length, counter[9]}
                wait = math.max(wait, length)
                if place == 1 then
                    local exact = counters[n - 1]
                    strikes = now - exact[8] < 86400 and exact[7] + 1 or 1
                    changed[n - 1] = {exact[1], 0, 0, 0, 0, 0, strikes, now + length, exact[9]}
                end
            end
            adding[n] = {place == 1 and is_new and slot or counter[9], lifetime}
        end
    end
    if wait > 0 then
        for n, counter in pairs(changed) do
            write(KEYS[n], counter, math.ceil(counter[8] - now) + 86400)
        end
    else
        for n, values in pairs(adding) do
            counters[n][2], counters[n][9] = counters[n][2] + 1, values[1]
            write(KEYS[n], counters[n], values[2])
        end
    end
end
counters[1] = {math.max(wait, 0), known and tonumber(values[1])}
return cjson.encode(counters)
"""
)

# Each change is one of: the slot, the failures to add to each slot, counted_in or -1, the lifetime
# in seconds. A change without a slot marks an account as known.
_CHANGE = _register(
    _READ
    + """
for n, change in ipairs(cjson.decode(ARGV[1])) do
    local slot, counted, lifetime = change[1], change[7], change[8]
    if slot == 0 then
        redis.call('SET', KEYS[n], string.format('%.3f', change[2]), 'EX', lifetime)
    else
        local value = redis.call('GET', KEYS[n])
        if value then
            local counter = read(value, slot)
            for m = 2, 6 do
                counter[m] = math.max(0, counter[m] + change[m])
            end
            if counted >= 0 then counter[9] = counted end
            write(KEYS[n], counter, lifetime)
        end
    end
end
"""
)


def begin_login(client: Any, keys: AttemptKeys, now: float) -> Decision:
    """Decide about an attempt in one round trip, and count it as failed if it is allowed."""
    width = 2 if keys.windows[0].address is None else 3
    windows = [
        (window.slot_at(now), window.amount, window.seconds, min(2 * window.seconds, MOST_SECONDS))
        for window, *_ in keys.windows
    ]
    # One argument, because the client takes as long for each argument as for the whole JSON.
    argument = json.dumps([now, keys.longest, width, windows])
    names = keys.all()
    (wait, known_until), *counters = json.loads(
        _BEGIN(keys=[_key(key) for key in names], args=[argument], client=client)
    )
    state = {
        name: Counter(
            int(slot), (f0, f1, f2, f3, f4), int(strikes), float(blocked_until), int(counted_in)
        )
        for name, (slot, f0, f1, f2, f3, f4, strikes, blocked_until, counted_in) in zip(
            names[1:], counters, strict=True
        )
    }
    return Decision(wait, known_until or None, state)


def change_counters(client: Any, changes: list[Change], now: float) -> None:
    """Make changes in one round trip."""
    rows: list[tuple[float, ...]] = []
    for change in changes:
        lifetime = min(int(change.expires_at - now) + 1, MOST_SECONDS)
        if change.slot == 0:
            rows.append((0, change.expires_at, 0, 0, 0, 0, 0, lifetime))
        else:
            counted = -1 if change.counted_in is None else change.counted_in
            rows.append((change.slot, *change.failures, counted, lifetime))
    keys = [_key(change.key) for change in changes]
    _CHANGE(keys=keys, args=[json.dumps(rows)], client=client)


def _key(key: str) -> str:
    # A script may only use keys of one hash slot of a Redis Cluster. Its name stands in braces, so
    # all counters are on one node; they are small, and an attempt checks a password, too.
    return f"jwt:{{logins}}:{key}"
