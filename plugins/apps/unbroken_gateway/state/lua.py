"""The scripts of the Redis state: the arithmetic of `ledger`, atomic in the server.

KEYS are the account, the leases and the grant of one user. ARGV are the time (empty for that of the server), the time
of the server after which the caller has given up (or empty), the id of the grant, the seconds of its lease, a `Cost`,
and the limits: amount and seconds of requests and tokens, the streams, amount and seconds of the budget, each empty
where there is no limit. The first item of each answer is the time of the server; the second is ``late`` when the script
has done nothing because the caller had given up, as after a server was frozen and reads what was sent meanwhile.
"""

import hashlib
from typing import Final

from attrs import frozen

from .ledger import KEEP, SLACK

_CONSTANTS: Final = f"local KEEP, SLACK = {KEEP}, {SLACK}"

_COMMON: Final = """
local function text(number) return string.format('%.17g', number) end
local time = redis.call('TIME')
local server = time[1] + time[2] / 1000000
local stamp = text(server)
local limit = tonumber(ARGV[2])
if limit and server > limit then return {stamp, 'late'} end
local now = tonumber(ARGV[1]) or server
local id, ttl = ARGV[3], tonumber(ARGV[4])
local function rate(at)
  local amount, seconds = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  return amount and {amount = amount, seconds = seconds, speed = amount / seconds}
end
local places, budget = tonumber(ARGV[12]), rate(13)
local function names(of, at)
  local rest = of .. ':' .. ARGV[at] .. ':' .. ARGV[at + 1]
  return rest, 'at:' .. rest
end
local r, r_at = names('requests', 8)
local t, t_at = names('tokens', 10)
local kept = redis.call('HMGET', KEYS[1], r, r_at, t, t_at, 'until', 'start:' .. ARGV[14], 'spent:' .. ARGV[14])
for i = 1, 7 do kept[i] = tonumber(kept[i] or '0') end
if kept[5] <= now then kept = {0, 0, 0, 0, 0, 0, 0} end
local requests = {name = 'requests', rate = rate(8), units = kept[1], at = kept[2], key = r, key_at = r_at}
local tokens = {name = 'tokens', rate = rate(10), units = kept[3], at = kept[4], key = t, key_at = t_at}
local start, spent = kept[6], kept[7]
if budget then
  local first = math.floor(now / budget.seconds) * budget.seconds
  if start < first then start, spent = first, 0 end
end
local function level(of) return math.max(0, of.units - math.max(0, now - of.at) * of.rate.speed) end
local function add(of, units)
  if of.rate then of.units, of.at = math.max(0, level(of) + units), math.max(of.at, now) end
end
local function expire(key, ends)
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil((ends - now) * 1000)))
end
local function keep(lease)
  local ends = math.max(kept[5], lease)
  for _, of in ipairs({requests, tokens}) do
    if of.rate then
      ends = math.max(ends, now + (of.rate.amount > 0 and of.units / of.rate.speed or of.rate.seconds))
      redis.call('HSET', KEYS[1], of.key, text(of.units), of.key_at, text(of.at))
    end
  end
  if budget then
    ends = math.max(ends, start + budget.seconds)
    redis.call('HSET', KEYS[1], 'start:' .. ARGV[14], text(start), 'spent:' .. ARGV[14], text(spent))
  end
  redis.call('HSET', KEYS[1], 'until', text(ends))
  expire(KEYS[1], ends)
  expire(KEYS[2], ends)
end
local function record()
  local found = redis.call('HMGET', KEYS[3], 'at', 'requests', 'tokens', 'micro_usd', 'period', 'earlier', 'until')
  if not found[1] or tonumber(found[7]) <= now then return nil end
  for i = 1, 7 do found[i] = tonumber(found[i]) end
  return found
end
"""

_RESERVE: Final = """
if record() then return {stamp, ''} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now))
local denial, wait = '', -1
local function deny(name, seconds)
  if seconds > wait then denial, wait = name, seconds end
end
for i, of in ipairs({requests, tokens}) do
  if of.rate then
    local cost = tonumber(ARGV[4 + i])
    local over = level(of) + cost - of.rate.amount
    if over > SLACK * of.rate.speed then
      deny(of.name, (cost > of.rate.amount or of.rate.speed == 0) and math.huge or over / of.rate.speed)
    end
  end
end
local taken = redis.call('ZCARD', KEYS[2])
if places and taken >= places then
  local ends = places > 0 and redis.call('ZRANGE', KEYS[2], taken - places, taken - places, 'WITHSCORES')[2]
  deny('streams', ends and ends - now or math.huge)
end
local money = tonumber(ARGV[7])
if budget and spent + money > budget.amount then
  deny('budget', money > budget.amount and math.huge or start + budget.seconds - now)
end
if wait >= 0 then return {stamp, denial, text(wait)} end
add(requests, tonumber(ARGV[5]))
add(tokens, tonumber(ARGV[6]))
spent = spent + money
local ends = now + ttl
redis.call('ZADD', KEYS[2], text(ends), id)
keep(ends)
redis.call('HSET', KEYS[3], 'at', text(now), 'requests', ARGV[5], 'tokens', ARGV[6], 'micro_usd', ARGV[7],
  'period', text(budget and start or 0), 'earlier', '0', 'until', text(ends + KEEP))
expire(KEYS[3], ends + KEEP)
return {stamp, ''}
"""

_BEAT: Final = """
local found, ends = record(), tonumber(redis.call('ZSCORE', KEYS[2], id) or '0')
if not found or ends <= now then return {stamp, ''} end
ends = now + ttl
redis.call('ZADD', KEYS[2], text(ends), id)
keep(ends)
local last = math.max(found[7], ends + KEEP)
redis.call('HSET', KEYS[3], 'until', text(last))
expire(KEYS[3], last)
return {stamp, 'renewed'}
"""

_SETTLE: Final = """
local found = record()
local function correct(of, counted, used)
  if of.rate then
    local drained = math.max(0, now - found[1]) * of.rate.speed
    add(of, math.max(used - counted, math.min(0, drained - counted)))
  end
end
if found then
  correct(requests, found[2], tonumber(ARGV[5]))
  correct(tokens, found[3], tonumber(ARGV[6]))
  local money, period, earlier = found[4], found[5], found[6]
  if budget then
    if period ~= start then money, period, earlier = 0, start, earlier + money end
    local due = math.max(0, tonumber(ARGV[7]) - earlier)
    spent, money = spent + due - money, due
  end
  keep(0)
  local last = math.max(found[7], now + KEEP)
  redis.call('HSET', KEYS[3], 'requests', ARGV[5], 'tokens', ARGV[6], 'micro_usd', text(money),
    'period', text(period), 'earlier', text(earlier), 'until', text(last))
  expire(KEYS[3], last)
end
return {stamp, budget and text(budget.amount - spent) or ''}
"""

_RELEASE: Final = """
redis.call('ZREM', KEYS[2], id)
return {stamp, ''}
"""

_STANDING: Final = """
return {stamp, redis.call('ZCOUNT', KEYS[2], '(' .. text(now), '+inf'),
  text(requests.rate and level(requests) or 0), text(tokens.rate and level(tokens) or 0), text(budget and spent or 0)}
"""


@frozen
class Script:
    """A script and the name under which the server keeps it."""

    source: str
    sha: str

    @classmethod
    def of(cls, body: str) -> "Script":
        """Return the script with the common part before its `body`."""
        source = _CONSTANTS + _COMMON + body
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


RESERVE: Final = Script.of(_RESERVE)
BEAT: Final = Script.of(_BEAT)
SETTLE: Final = Script.of(_SETTLE)
RELEASE: Final = Script.of(_RELEASE)
STANDING: Final = Script.of(_STANDING)
