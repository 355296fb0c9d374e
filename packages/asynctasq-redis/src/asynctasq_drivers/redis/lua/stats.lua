-- Count a queue. Answers {pending, scheduled, running, dead, microseconds since the oldest pending
-- task became due (-1: none is)}.

local q = queue(0)
drains(q)
sweep(q)
local at = now / 1e6
local ready = redis.call('LLEN', q.ready)
local due = redis.call('ZCOUNT', q.delayed, '-inf', at)
local lost = redis.call('ZCOUNT', q.processing, '-inf', at)
local oldest = math.huge
if ready > 0 then
  local first = redis.call('LINDEX', q.ready, 0)
  oldest = due_of(redis.call('HGET', q.messages, first), redis.call('HGET', q.runs, first))
end
if due > 0 then oldest = math.min(oldest, head(q.delayed)) end
if lost > 0 then oldest = math.min(oldest, head(q.processing)) end
return {
  ready + due + lost,
  redis.call('ZCARD', q.delayed) - due,
  redis.call('ZCARD', q.processing) - lost,
  redis.call('ZCARD', q.dead),
  oldest < math.huge and math.max(now - oldest, 0) or -1,
}
