"""What the Redis store does atomically, in Lua.

The keys of a stream have one hash tag: the frames as a Redis stream with the ids ``seq-0``, a hash, the lease as a key
with an expiry, the readers as a sorted set of their ends, and the marks as a hash.
"""

from typing import Final

_COMMON: Final = """
local log, meta, lease, readers, marks = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function renew(epoch, open)
  local times = redis.call('HMGET', meta, 'ttl', 'lease')
  for _, key in ipairs({log, meta, readers, marks}) do redis.call('PEXPIRE', key, times[1]) end
  if open then redis.call('SET', lease, epoch, 'PX', times[2]) else redis.call('DEL', lease) end
end
local function add(last, from)
  local sizes = redis.call('HMGET', meta, 'size', 'first', 'most')
  local size, first, most = tonumber(sizes[1]), tonumber(sizes[2]), tonumber(sizes[3])
  for i = from, #ARGV do
    last = last + 1
    redis.call('XADD', log, last .. '-0', 'd', ARGV[i])
    size = size + #ARGV[i]
  end
  while size > most and first < last do
    local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    redis.call('XDEL', log, oldest[1])
    size, first = size - #oldest[2][2], first + 1
  end
  redis.call('HSET', meta, 'last', last, 'first', first, 'size', size)
  return last
end
"""

CREATE: Final = (
    _COMMON
    + """
if redis.call('EXISTS', meta) == 1 then return 0 end
redis.call('HSET', meta, 'owner', ARGV[1], 'ttl', ARGV[2], 'lease', ARGV[3], 'most', ARGV[4],
  'epoch', 1, 'state', 'open', 'first', 1, 'last', 0, 'size', 0)
renew(1, true)
return 1
"""
)

# As `rules.accepts`. A closing without a frame leaves a mark that wakes the followers, with the id `last-1`.
APPEND: Final = (
    _COMMON
    + """
local epoch, seq, ending = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local at = redis.call('HMGET', meta, 'epoch', 'state', 'last')
if at[1] ~= epoch then return 'FENCED' end
local last, count = tonumber(at[3]), #ARGV - 3
local ends_here = seq + count - 1 == last
if at[2] ~= 'open' then
  if at[2] == ending and ends_here then return last end
  return 'FENCED'
end
if seq == last + 1 then
  last = add(last, 4)
  if ending ~= '' then
    redis.call('HSET', meta, 'state', ending)
    if count == 0 then redis.call('XADD', log, last .. '-1', 'e', '') end
  end
elseif ending ~= '' or not ends_here then
  return 'SEQ ' .. last + 1
end
renew(epoch, ending == '')
return last
"""
)

BEAT: Final = (
    _COMMON
    + """
local at = redis.call('HMGET', meta, 'epoch', 'state')
if at[1] ~= ARGV[1] or at[2] ~= 'open' then return 0 end
renew(ARGV[1], true)
return 1
"""
)

CLOSE: Final = (
    _COMMON
    + """
local at = redis.call('HMGET', meta, 'epoch', 'state', 'last')
if at[2] ~= 'open' or (ARGV[1] == 'error' and redis.call('EXISTS', lease) == 1) then return 0 end
local last = add(tonumber(at[3]), 2)
redis.call('HSET', meta, 'epoch', at[1] + 1, 'state', ARGV[1])
renew('', false)
return last
"""
)

READ: Final = (
    _COMMON
    + """
local at = redis.call('HMGET', meta, 'owner', 'state', 'first', 'last')
if not at[1] then return false end
local frames = {}
if tonumber(ARGV[2]) > 0 then
  for _, entry in ipairs(redis.call('XRANGE', log, ARGV[1] + 1 .. '-0', '+', 'COUNT', ARGV[2])) do
    if entry[2][1] == 'd' then frames[#frames + 1] = entry[2][2] end
  end
end
local held = redis.call('EXISTS', lease)
return {at[1], at[2], tonumber(at[3]), tonumber(at[4]), held, redis.call('ZCOUNT', readers, now(), '+inf'), frames}
"""
)

ATTEND: Final = (
    _COMMON
    + """
if redis.call('EXISTS', meta) == 0 then return 0 end
local moment = now()
redis.call('ZREMRANGEBYSCORE', readers, '-inf', moment)
local stays = redis.call('ZSCORE', readers, ARGV[1])
if not stays and ARGV[3] ~= '' and redis.call('ZCARD', readers) >= tonumber(ARGV[3]) then return 0 end
if tonumber(ARGV[2]) > 0 then redis.call('ZADD', readers, moment + ARGV[2], ARGV[1])
else redis.call('ZREM', readers, ARGV[1]) end
redis.call('PEXPIRE', readers, redis.call('PTTL', meta))
return 1
"""
)

ADVANCE: Final = (
    _COMMON
    + """
local to = tonumber(ARGV[2])
if redis.call('EXISTS', meta) == 0 then return to end
local place = math.max(to, tonumber(redis.call('HGET', marks, ARGV[1]) or 0))
redis.call('HSET', marks, ARGV[1], string.format('%.0f', place))
redis.call('PEXPIRE', marks, redis.call('PTTL', meta))
return place
"""
)
