-- Drop what is pending or scheduled. ARGV: how many at most, since a script stops all others.
-- Answers how many it dropped, and how many there were.

local q = queue(0)
local limit = tonumber(ARGV[1])
drains(q)
local ids = redis.call('ZRANGEBYSCORE', q.processing, '-inf', now / 1e6, 'LIMIT', 0, limit)
local there = redis.call('ZCOUNT', q.processing, '-inf', now / 1e6)
  + redis.call('LLEN', q.ready) + redis.call('ZCARD', q.delayed)
many('ZREM', q.processing, ids)
if #ids < limit then
  for _, id in ipairs(redis.call('LPOP', q.ready, limit - #ids) or {}) do ids[#ids + 1] = id end
end
if #ids < limit then
  local delayed = redis.call('ZPOPMIN', q.delayed, limit - #ids)
  for i = 1, #delayed, 2 do ids[#ids + 1] = delayed[i] end
end
forget(q, ids)
return { #ids, there }
