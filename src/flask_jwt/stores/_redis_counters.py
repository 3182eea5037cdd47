"""Count failed logins in Redis: one script before an attempt, and one after it."""

from __future__ import annotations

from typing import Any

from redis import Redis

from ._counters import DAY, AttemptKeys, Change, Counter, Decision

_register = Redis().register_script

MOST_SECONDS = 366 * DAY
"""The longest lifetime of a key. A window may be longer; it then counts the failures of a year."""

# A counter is one string: slot, failures of each slot, strikes, blocked_until, counted_in. In the
# same order, a table in these scripts holds them from 1 on.
_READ = """
local function read(value, slot)
    local counter = {}
    for word in string.gmatch(value or '', '%S+') do counter[#counter + 1] = tonumber(word) end
    if #counter ~= 9 or counter[1] > slot + 1 then return {slot, 0, 0, 0, 0, 0, 0, 0, 0} end
    local passed = slot - counter[1]
    if passed > 0 then
        counter[1] = slot
        for n = 6, 2, -1 do counter[n] = n - passed >= 2 and counter[n - passed] or 0 end
    end
    return counter
end
local function pack(counter)
    local words = {}
    for n = 1, 9 do words[n] = string.format(n == 8 and '%.3f' or '%.0f', counter[n]) end
    return table.concat(words, ' ')
end
local function write(key, counter, seconds)
    -- A failure must not shorten the time for which a strike counts.
    local remaining = math.max(tonumber(seconds), redis.call('TTL', key))
    redis.call('SET', key, pack(counter), 'EX', string.format('%.0f', remaining))
end
"""

# The same decision as _counters.decide().
_BEGIN = _register(
    _READ
    + """
local now, longest, width = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local values = redis.call('MGET', unpack(KEYS))
local known = values[1] and tonumber(values[1]) > now
local counters, wait = {}, 0
for n = 2, #KEYS do
    local place = (n - 2) % width
    local window = (n - 2 - place) / width
    counters[n] = read(values[n], tonumber(ARGV[4 + 4 * window]))
    if known == (place == 0) then
        local remaining = counters[n][8] - now
        if remaining <= longest + 1 then wait = math.max(wait, remaining) end
    end
end
local changed = {}
if wait <= 0 then
    local adding, is_new = {}, false
    for n = 2, #KEYS do
        local place = (n - 2) % width
        local base = 4 + 4 * (n - 2 - place) / width
        local slot, amount = tonumber(ARGV[base]), tonumber(ARGV[base + 1])
        local seconds, lifetime = tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3])
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
local result = {string.format('%.3f', math.max(wait, 0)), known and '1' or '0'}
for n = 2, #KEYS do result[n + 1] = pack(counters[n]) end
return result
"""
)

# Each change is one of: the slot, the failures to add to each slot, counted_in or -1, the lifetime
# in seconds. A change without a slot marks an account as known.
_CHANGE = _register(
    _READ
    + """
for n = 1, #KEYS do
    local base = (n - 1) * 8
    local slot, counted = tonumber(ARGV[base + 1]), tonumber(ARGV[base + 7])
    if slot == 0 then
        redis.call('SET', KEYS[n], ARGV[base + 2], 'EX', ARGV[base + 8])
    else
        local value = redis.call('GET', KEYS[n])
        if value then
            local counter = read(value, slot)
            for m = 2, 6 do
                counter[m] = math.max(0, counter[m] + tonumber(ARGV[base + m]))
            end
            if counted >= 0 then counter[9] = counted end
            write(KEYS[n], counter, ARGV[base + 8])
        end
    end
end
"""
)


def begin_login(client: Any, keys: AttemptKeys, now: float) -> Decision:
    """Decide about an attempt in one round trip, and count it as failed if it is allowed."""
    width = 2 if keys.windows[0].address is None else 3
    arguments: list[Any] = [repr(now), keys.longest, width]
    for window_keys in keys.windows:
        amount, seconds = window_keys.window
        slot = window_keys.window.slot_at(now)
        arguments += (slot, amount, seconds, min(2 * seconds, MOST_SECONDS))
    wait, is_known, *counters = _BEGIN(
        keys=[_key(key) for key in keys.all()], args=arguments, client=client
    )
    names = keys.all()[1:]
    state = dict(zip(names, (_parse(counter) for counter in counters), strict=True))
    return Decision(float(wait), is_known == "1", state)


def change_counters(client: Any, changes: list[Change], now: float) -> None:
    """Make changes in one round trip."""
    arguments: list[Any] = []
    for change in changes:
        lifetime = min(int(change.expires_at - now) + 1, MOST_SECONDS)
        if change.slot == 0:
            arguments += (0, repr(change.expires_at), 0, 0, 0, 0, 0, lifetime)
        else:
            counted = -1 if change.counted_in is None else change.counted_in
            arguments += (change.slot, *change.failures, counted, lifetime)
    _CHANGE(keys=[_key(change.key) for change in changes], args=arguments, client=client)


def _key(key: str) -> str:
    # A script may only use keys of one hash slot of a Redis Cluster. Its name stands in braces, so
    # all counters are on one node; they are small, and an attempt checks a password, too.
    return f"jwt:{{logins}}:{key}"


def _parse(value: str) -> Counter:
    slot, *failures, strikes, blocked_until, counted_in = value.split()
    numbers = tuple(int(number) for number in failures)
    return Counter(int(slot), numbers, int(strikes), float(blocked_until), int(counted_in))
