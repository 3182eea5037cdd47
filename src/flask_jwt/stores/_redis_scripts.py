"""The scripts of the Redis store.

Scripts run atomically on the server. They compare and set in one round trip; WATCH and MULTI would
need three and a retry whenever another client is faster. A script may only use keys of one hash
slot of a Redis Cluster, so each of these has a single key, except that without a cluster REVOKE has
the feed too.
"""

from __future__ import annotations

from redis import Redis

# register_script() computes the digest of the script and needs no server. Each call names the
# client that runs the script, and sends the source only if the server doesn't have it.
_register = Redis().register_script

# EXPIREAT makes Redis delete the session when it expires, so no job has to prune sessions. It is
# set in the same script as the hash, because a crash in between would keep the hash indefinitely.
CREATE = _register("""
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('EXPIREAT', KEYS[1], ARGV[1])
""")

# The index of a user's sessions lives as long as the last of them.
ADD_TO_INDEX = _register("""
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
local remaining = tonumber(ARGV[3]) - redis.call('TIME')[1]
if redis.call('TTL', KEYS[1]) < remaining then redis.call('EXPIREAT', KEYS[1], ARGV[3]) end
return 1
""")

ROTATE = _register("""
local s = redis.call('HMGET', KEYS[1], 'generation', 'revoked_at', 'expires_at', 'idle_expires_at')
local now = tonumber(ARGV[2])
if s[1] ~= ARGV[1] or s[2] or tonumber(s[3]) <= now then return 0 end
if s[4] and tonumber(s[4]) <= now then return 0 end
redis.call('HSET', KEYS[1], 'generation', s[1] + 1, 'rotated_at', ARGV[2])
for n = 3, #ARGV, 2 do
    if ARGV[n + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[n])
    else redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1]) end
end
return 1
""")

# The feed is also completed for a session that is revoked already, because a crash or a lost
# connection may have ended an earlier attempt in a cluster between the two scripts.
REVOKE = _register("""
local is_first = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
    is_first = redis.call('HSETNX', KEYS[1], 'revoked_at', ARGV[1])
end
if is_first == 1 then
    if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'change_id', ARGV[2]) end
    if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'revocation_kept_until', ARGV[3]) end
end
if KEYS[2] then
    redis.call('ZADD', KEYS[2], 'NX', ARGV[1], ARGV[4])
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[5])
end
return is_first
""")

RENAME = _register("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] == '' then redis.call('HDEL', KEYS[1], 'label')
else redis.call('HSET', KEYS[1], 'label', ARGV[1]) end
return 1
""")

SET_SUBJECT_KEY = _register("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], 'subject_key', ARGV[1])
""")
