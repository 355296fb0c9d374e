-- The record KEYS[WIDTH + 1] of a task. ARGV: its id; who waits if there is none ('': nobody), as
-- "channel number"; for how many seconds.

local record = redis.call('GET', KEYS[WIDTH + 1])
if record or ARGV[2] == '' then return record end
local q, id, seconds = queue(0), ARGV[1], math.ceil(tonumber(ARGV[3]))
local waiters = redis.call('HGET', q.awaited, id)
drains(q)
if not waiters then
  redis.call('HSET', q.awaited, id, ARGV[2])
elseif not string.find(waiters, ARGV[2], 1, true) then
  redis.call('HSET', q.awaited, id, waiters .. ',' .. ARGV[2])
end
if redis.call('TTL', q.awaited) < seconds then redis.call('EXPIRE', q.awaited, seconds) end
return false
