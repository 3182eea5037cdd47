"""Define the scripts of the Redis store.

Scripts run atomically on the server. They compare and set in one round trip; WATCH and MULTI would
need three and a retry whenever another client is faster. A script may only use keys of one hash
slot of a Redis Cluster. Without a cluster, one script does what takes two of them there.
"""

from __future__ import annotations

from redis import Redis

# register_script() computes the digest of the script and needs no server. Each call names the
# client that runs the script, and sends the source only if the server doesn't have it.
_register = Redis().register_script

# All keys expire, so no job has to prune them. A key gets its time to live in the script that
# creates it, because a crash in between would keep it indefinitely. The time is relative, because
# the clock of the client may differ.
_ADD_TO_INDEX = """
redis.call('ZADD', index, 'NX', sequence, sid)
if redis.call('TTL', index) < lifetime then redis.call('EXPIRE', index, lifetime) end
return redis.call('ZCARD', index)
"""

# The index of a user's sessions has their sequences as scores. An earlier attempt may have created
# the session.
CREATE = _register(
    """
local index, sid, lifetime, sequence = KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[3]
if redis.call('EXISTS', KEYS[1]) == 1 then
    sequence = redis.call('HGET', KEYS[1], 'sequence') or 0
else
    if sequence == '' then
        sequence = (redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2] or 0) + 1
    end
    redis.call('HSET', KEYS[1], 'sequence', sequence, unpack(ARGV, 4))
    redis.call('EXPIRE', KEYS[1], lifetime)
end
if not index then return -1 end
"""
    + _ADD_TO_INDEX
)

ADD_TO_INDEX = _register(
    """
local index, sid, lifetime, sequence = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
"""
    + _ADD_TO_INDEX
)

# The arguments after the first are pairs of a sid and the time at which it may be removed. The
# client has compared them with its own clock, which may be wrong.
REMOVE_FROM_INDEX = _register("""
local now = tonumber(redis.call('TIME')[1])
for n = 1, #ARGV, 2 do
    if tonumber(ARGV[n + 1]) < now then redis.call('ZREM', KEYS[1], ARGV[n]) end
end
return 1
""")

ROTATE = _register("""
local s = redis.call(
    'HMGET', KEYS[1], 'generation', 'revoked_at', 'expires_at', 'idle_expires_at', 'grants'
)
local now = tonumber(ARGV[3])
if s[1] ~= ARGV[1] or s[2] or tonumber(s[3]) <= now then return 0 end
if s[4] and tonumber(s[4]) <= now then return 0 end
if (s[5] or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'generation', s[1] + 1, 'rotated_at', ARGV[3])
for n = 4, #ARGV, 2 do
    if ARGV[n + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[n])
    else redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1]) end
end
return 1
""")

_REVOKE = """
local key, sid, kept_for = KEYS[1], ARGV[1], tonumber(ARGV[2])
local is_first = 0
if redis.call('EXISTS', key) == 1 then
    is_first = redis.call('HSETNX', key, 'revoked_at', ARGV[3])
end
if is_first == 1 then
    if ARGV[4] ~= '' then redis.call('HSET', key, 'change_id', ARGV[4]) end
    if ARGV[5] ~= '' then redis.call('HSET', key, 'revocation_kept_until', ARGV[5]) end
    if redis.call('TTL', key) < kept_for then redis.call('EXPIRE', key, kept_for) end
end
"""

# The place in the feed is the time of Redis in microseconds, but always after the last place. A
# second set has the times until which the sids are kept in the first one.
#
# The feed is also completed for a session that is revoked already, because a crash or a lost
# connection may have ended an earlier attempt in a cluster between the two scripts.
_ANNOUNCE = """
local time = redis.call('TIME')
if not redis.call('ZSCORE', feed, sid) then
    local position = time[1] * 1000000 + time[2]
    local last = redis.call('ZREVRANGE', feed, 0, 0, 'WITHSCORES')[2]
    if last and tonumber(last) >= position then position = last + 1 end
    redis.call('ZADD', feed, string.format('%.0f', position), sid)
    redis.call('ZADD', ends, time[1] + kept_for, sid)
end
local ended = redis.call('ZRANGEBYSCORE', ends, '-inf', time[1], 'LIMIT', 0, 100)
if #ended > 0 then
    redis.call('ZREM', feed, unpack(ended))
    redis.call('ZREM', ends, unpack(ended))
end
if redis.call('TTL', feed) < kept_for then
    redis.call('EXPIRE', feed, kept_for + 60)
    redis.call('EXPIRE', ends, kept_for + 60)
end
"""

REVOKE = _register(_REVOKE + "return is_first")

ANNOUNCE = _register(
    "local feed, ends, sid, kept_for = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])"
    + _ANNOUNCE
    + "return 1"
)

REVOKE_AND_ANNOUNCE = _register(
    _REVOKE + "local feed, ends = KEYS[2], KEYS[3]" + _ANNOUNCE + "return is_first"
)

SET_FIELD = _register("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1
""")

# The second value is that of an earlier attempt, whose response was lost.
SET_GRANTS = _register("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local present = redis.call('HGET', KEYS[1], 'grants') or ''
if present ~= ARGV[1] and present ~= ARGV[2] then return 0 end
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], 'grants')
else redis.call('HSET', KEYS[1], 'grants', ARGV[2]) end
return 1
""")

SET_SUBJECT_KEY = _register("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'subject_key', ARGV[1])
""")

TIME = _register("return redis.call('TIME')")

# Nothing but the numbers is sent to the client. Each call reads a part of the keys, so that others
# don't wait for long.
COUNT = """
local page = redis.call('SCAN', ARGV[1], 'MATCH', 'jwt:{*}', 'COUNT', 1000)
local active, revoked, expired, now = 0, 0, 0, tonumber(ARGV[2])
for _, key in ipairs(page[2]) do
    local s = redis.call('HMGET', key, 'revoked_at', 'expires_at', 'idle_expires_at')
    if s[1] then revoked = revoked + 1
    elseif not s[2] then -- it has expired meanwhile
    elseif tonumber(s[2]) <= now or (s[3] and tonumber(s[3]) <= now) then expired = expired + 1
    else active = active + 1 end
end
return {page[1], active, revoked, expired}
"""
