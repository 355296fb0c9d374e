-- Part of the tasks of a state that stand in one place. ARGV: the state; the place; after which
-- time and id to go on; how many at most. Answers tasks, in the order of their times (running ones,
-- whose times move, in that of their ids).

local q = queue(0)
local state, place, limit = ARGV[1], ARGV[2], tonumber(ARGV[5])
local after, after_id = tonumber(ARGV[3]), ARGV[4]

local function by_id()
  local found, ids, at = redis.call('ZRANGE', q.processing, 0, -1, 'WITHSCORES'), {}, {}
  for i = 1, #found, 2 do
    local ends = micros(found[i + 1])
    if ends > now and found[i] > after_id then
      ids[#ids + 1] = found[i]
      at[found[i]] = ends
    end
  end
  table.sort(ids)
  local tasks = {}
  for i = 1, math.min(limit, #ids) do tasks[i] = told(q, ids[i], state, at[ids[i]]) end
  return tasks
end

local function by_time(lowest, highest)
  local first = after > 0 and after / 1e6 or lowest
  if lowest ~= '-inf' and after > 0 then first = math.max(first, lowest) end
  local tasks, skip = {}, 0
  while #tasks < limit do
    local found = redis.call(
      'ZRANGEBYSCORE', q[place], first, highest, 'WITHSCORES', 'LIMIT', skip, limit + 1)
    if #found == 0 then break end
    for i = 1, #found, 2 do
      local id, at = found[i], micros(found[i + 1])
      if #tasks < limit and (at > after or at == after and id > after_id) and not expired(q, id) then
        tasks[#tasks + 1] = told(q, id, state, at)
      end
    end
    skip = skip + #found / 2
  end
  return tasks
end

local function due_at(index)
  local id = redis.call('LINDEX', q.ready, index)
  return due_of(redis.call('HGET', q.messages, id), redis.call('HGET', q.runs, id))
end

-- The line is in the order of its times, so that one half of it after the other can be left out.
local function in_line()
  local low, high = 0, redis.call('LLEN', q.ready)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if due_at(middle) <= after then low = middle + 1 else high = middle end
  end
  local tasks = {}
  for i, id in ipairs(redis.call('LRANGE', q.ready, low, low + limit - 1)) do
    tasks[i] = told(q, id, state, due_at(low + i - 1))
  end
  return tasks
end

if place == 'ready' then return in_line() end
if state == 'running' then return by_id() end
if state == 'pending' then return by_time('-inf', now / 1e6) end
if state == 'scheduled' then return by_time(now / 1e6, '+inf') end
return by_time('-inf', '+inf')
