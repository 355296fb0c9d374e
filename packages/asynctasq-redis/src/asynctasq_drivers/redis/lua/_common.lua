-- What every script begins with. KEYS are those of one queue, in the order of NAMES (dequeue: of
-- several, one after the other), then those of results.
-- Times are microseconds since 1970 by this server's clock; scores of sorted sets are in seconds.

local NAMES = {
  'ready', 'delayed', 'processing', 'dead', 'completed', 'messages', 'runs', 'failures', 'expiry',
  'clock', 'waiters', 'awaited',
}
local WIDTH = #NAMES

local RUN = '<I4I4dd' -- attempt, deliveries, receipt (0: nobody holds it), when it became due
local HEAD = '<ddI4' -- of a message: when it was enqueued, seconds of its lease, first attempt

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function queue(first)
  local q = {}
  for i, name in ipairs(NAMES) do q[name] = KEYS[first + i] end
  return q
end

-- Beyond `maxmemory` Redis refuses a script whose first write may take memory, and lets go on one
-- that has written already. What drains a queue begins with a write that takes none.
local function drains(q)
  redis.call('HDEL', q.runs, '')
end

-- The first of `count` numbers of this queue: its time, but larger than every number before.
local function tick(q, count)
  local last = tonumber(redis.call('GET', q.clock) or 0)
  local first = math.max(now, last + 1)
  redis.call('SET', q.clock, first + count - 1)
  return first, last == 0
end

-- Lua hands at most some thousand values to one call.
local function many(command, key, values)
  for i = 1, #values, 5000 do
    redis.call(command, key, unpack(values, i, math.min(i + 4999, #values)))
  end
end

local function read(key, fields)
  if #fields <= 5000 then return #fields == 0 and {} or redis.call('HMGET', key, unpack(fields)) end
  local values = {}
  for _, field in ipairs(fields) do values[#values + 1] = redis.call('HGET', key, field) end
  return values
end

local function micros(score)
  return math.floor(score * 1e6 + 0.5)
end

-- The time of the first member of a sorted set, or nil.
local function head(key)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and micros(first[2])
end

local function tell(waiter, queue_key)
  local channel, number = string.match(waiter, '^(%S+) (%S+)$')
  local heard = redis.call('PUBLISH', channel, number .. ' ' .. queue_key)
  -- A cluster's node counts only those who listen on itself: '~' says that it cannot tell.
  return heard > 0 or string.find(channel, '~', 1, true) ~= nil
end

-- Wake as many of those who wait as there is to take, the longest waiting first.
local function wake(q, count)
  if redis.call('EXISTS', q.waiters) == 0 then return end
  redis.call('ZREMRANGEBYSCORE', q.waiters, '-inf', now / 1e6)
  while count > 0 do
    local waiter = redis.call('ZPOPMIN', q.waiters)[1]
    if not waiter then return end
    if tell(waiter, q.ready) then count = count - 1 end
  end
end

-- Where something is due sooner than was known, all who wait have to look when next to look.
local function wake_for_sooner(q, was)
  local first = head(q.delayed)
  if first and (not was or first < was) then wake(q, math.huge) end
end

local function forget(q, ids)
  for _, key in ipairs({ q.messages, q.runs, q.failures }) do many('HDEL', key, ids) end
end

-- Drop what is kept for a time, and that time is over.
local function sweep(q)
  if redis.call('EXISTS', q.expiry) == 0 then return end
  local gone = redis.call('ZRANGEBYSCORE', q.expiry, '-inf', now / 1e6, 'LIMIT', 0, 1000)
  if #gone == 0 then return end
  forget(q, gone)
  for _, key in ipairs({ q.dead, q.completed, q.expiry }) do many('ZREM', key, gone) end
end

-- When a task became due that stands in the line of those that are ready.
local function due_of(message, run)
  if run then
    local _, _, _, due = struct.unpack(RUN, run)
    return due
  end
  return message and (struct.unpack(HEAD, message)) or 0
end

local function keep(key, record, ms)
  if ms > 0 then
    redis.call('SET', key, record, 'PX', ms)
  else
    redis.call('SET', key, record)
  end
end

-- Wake those who wait for the records of these tasks.
local function announce(q, ids)
  if redis.call('EXISTS', q.awaited) == 0 then return end
  for _, id in ipairs(ids) do
    local waiters = redis.call('HGET', q.awaited, id)
    if waiters then
      redis.call('HDEL', q.awaited, id)
      for waiter in string.gmatch(waiters, '[^,]+') do tell(waiter, '') end
    end
  end
end
