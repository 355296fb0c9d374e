-- Hand out what is due: of each queue, in their order, first what lost its lease, then the oldest.
-- ARGV: how many at most; who waits if there is nothing ('': nobody), as "channel number"; for how
-- many seconds; whether that one stands in the lines of waiters already ('1').
-- Answers {id, message, run, ...} for each queue, then the microseconds until something is due
-- (-1: nothing will be by itself); those only where nothing was taken.

local function lost(q, limit)
  return redis.call('ZRANGEBYSCORE', q.processing, '-inf', now / 1e6, 'LIMIT', 0, limit)
end

-- What is ready beside what became due with time: two lines, each in order, as one.
local function merged(q, late, limit)
  local ids, dues = {}, {}
  local ready = redis.call('LRANGE', q.ready, 0, limit - 1)
  local messages, runs = read(q.messages, ready), read(q.runs, ready)
  local r, l = 1, 1
  while #ids < limit and (ready[r] or late[l]) do
    local due = ready[r] and due_of(messages[r], runs[r]) or math.huge
    if late[l] and micros(late[l + 1]) <= due then
      ids[#ids + 1], dues[#ids + 1] = late[l], micros(late[l + 1])
      l = l + 2
    else
      ids[#ids + 1] = ready[r]
      r = r + 1
    end
  end
  if r > 1 then redis.call('LTRIM', q.ready, r - 1, -1) end
  for i = 1, l - 1, 2 do redis.call('ZREM', q.delayed, late[i]) end
  return ids, dues
end

local function due(q, limit)
  if limit <= 0 then return {}, {} end
  local late = redis.call(
    'ZRANGEBYSCORE', q.delayed, '-inf', now / 1e6, 'WITHSCORES', 'LIMIT', 0, limit)
  if #late == 0 then return redis.call('LPOP', q.ready, limit) or {}, {} end
  return merged(q, late, limit)
end

local function hand_out(q, ids, dues, taken)
  local messages, runs = read(q.messages, ids), read(q.runs, ids)
  local base, leases, handed = tick(q, #ids), {}, {}
  for i, id in ipairs(ids) do
    local message = messages[i]
    if message then -- else somebody removed it by hand
      local enqueued, lease, attempt = struct.unpack(HEAD, message)
      local deliveries, became = attempt - 1, enqueued
      if runs[i] then
        local receipt
        attempt, deliveries, receipt, became = struct.unpack(RUN, runs[i])
      end
      local run = struct.pack(RUN, attempt, deliveries + 1, base + i - 1, dues[i] or became)
      handed[#handed + 1], handed[#handed + 2] = id, run
      leases[#leases + 1], leases[#leases + 2] = now / 1e6 + math.min(lease, 1e11), id
      taken[#taken + 1], taken[#taken + 2], taken[#taken + 3] = id, message, run
    end
  end
  many('HSET', q.runs, handed)
  many('ZADD', q.processing, leases)
end

local function take(q, limit)
  local taken = {}
  while limit > 0 do
    local ids, dues = lost(q, limit), {}
    if #ids == 0 then ids, dues = due(q, limit) end
    if #ids == 0 then break end
    local before = #taken
    hand_out(q, ids, dues, taken)
    limit = limit - (#taken - before) / 3
    if #taken == before then many('ZREM', q.processing, ids) end
  end
  return taken
end

local function until_change(q, soonest)
  for _, at in ipairs({ head(q.delayed) or math.huge, head(q.processing) or math.huge }) do
    soonest = math.min(soonest, math.max(at - now, 0))
  end
  return soonest
end

local limit, waiter, seconds = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local answer, some, soonest = {}, false, math.huge
for first = 0, #KEYS - 1, WIDTH do
  local q = queue(first)
  drains(q)
  -- A key that is somebody else's ends the script: before anything is taken from another queue.
  if #KEYS > WIDTH then
    redis.call('LLEN', q.ready)
    for _, key in ipairs({ q.delayed, q.processing, q.expiry }) do redis.call('ZCARD', key) end
  end
end
for first = 0, #KEYS - 1, WIDTH do
  local q = queue(first)
  sweep(q)
  local taken = take(q, limit)
  limit = limit - #taken / 3
  some = some or #taken > 0
  answer[#answer + 1] = taken
end
for first = 0, #KEYS - 1, WIDTH do
  local q = queue(first)
  if some or waiter == '' then
    if ARGV[4] ~= '' then redis.call('ZREM', q.waiters, ARGV[4]) end
  else
    redis.call('ZADD', q.waiters, now / 1e6 + seconds, waiter)
    redis.call('EXPIRE', q.waiters, math.ceil(2 * seconds))
  end
  if not some then soonest = until_change(q, soonest) end
end
answer[#answer + 1] = soonest < 1e15 and soonest or -1
return answer
