-- Make outcomes true for what is still held, once each. ARGV: outcomes as MessagePack, each
--   {'ack', id, receipt, number of its record (0: none), milliseconds to keep that}
--   {'dead', id, receipt, number of its record, milliseconds, failure}
--   {'retry', id, receipt, seconds of delay, failure}   {'release', id, receipt, seconds of delay}
-- then the seconds for which completed tasks are kept, and dead ones ('': not kept, for ever); then
-- the records. Answers the numbers, from 1, of those outcomes that are no longer held.

local q = queue(0)
local outcomes = cmsgpack.unpack(ARGV[1])
local ids, lost, settled = {}, {}, {}
local gone, runs, failures, ready, delayed, recorded, ended = {}, {}, {}, {}, {}, {}, {}
for i, outcome in ipairs(outcomes) do ids[i] = outcome[2] end
drains(q)
local held = read(q.runs, ids)
local sooner = head(q.delayed)
-- Where all data was lost, the next enqueue has to find the queue new, whoever settles before it.
local base = redis.call('EXISTS', q.runs) == 1 and tick(q, #outcomes) or 0

local function retain(set, id, at, ttl)
  redis.call('ZADD', q[set], at / 1e6, id)
  if ttl ~= '' then redis.call('ZADD', q.expiry, now / 1e6 + math.min(tonumber(ttl), 1e11), id) end
end

local function again(id, seconds, at)
  delayed[#delayed + 1] = seconds > 0 and now / 1e6 + seconds or at / 1e6
  delayed[#delayed + 1] = id
end

local function record(outcome)
  if outcome[4] > 0 then
    keep(KEYS[WIDTH + outcome[4]], ARGV[3 + outcome[4]], outcome[5])
    recorded[#recorded + 1] = outcome[2]
  end
end

local function run(id, ...)
  runs[#runs + 1], runs[#runs + 2] = id, struct.pack(RUN, ...)
end

local apply = {
  ack = function(outcome, at, attempt, deliveries, due)
    local id = outcome[2]
    if ARGV[2] == '' then
      gone[#gone + 1] = id
    else
      run(id, attempt, deliveries, 0, due)
      retain('completed', id, at, ARGV[2])
    end
    record(outcome)
  end,
  dead = function(outcome, at, attempt, deliveries, due)
    local id = outcome[2]
    run(id, attempt, deliveries, 0, due)
    failures[#failures + 1], failures[#failures + 2] = id, outcome[6]
    retain('dead', id, at, ARGV[3])
    record(outcome)
  end,
  retry = function(outcome, at, attempt, deliveries)
    local id, seconds = outcome[2], outcome[4]
    run(id, attempt + 1, deliveries, 0, at)
    failures[#failures + 1], failures[#failures + 2] = id, outcome[5]
    if seconds > 0 then again(id, seconds) else ready[#ready + 1] = id end
  end,
  -- Without a delay it is due since it was due: so it stands before its juniors.
  release = function(outcome, at, attempt, deliveries, due)
    run(outcome[2], attempt, deliveries - 1, 0, due)
    again(outcome[2], outcome[4], due)
  end,
}

for i, outcome in ipairs(outcomes) do
  local id = outcome[2]
  local attempt, deliveries, receipt, due
  if held[i] then attempt, deliveries, receipt, due = struct.unpack(RUN, held[i]) end
  if not held[i] or receipt ~= outcome[3] or settled[id] then
    lost[#lost + 1] = i
  else
    settled[id] = true
    ended[#ended + 1] = id
    apply[outcome[1]](outcome, base + i - 1, attempt, deliveries, due)
  end
end
many('ZREM', q.processing, ended)
if #gone > 0 then forget(q, gone) end
many('HSET', q.runs, runs)
many('HSET', q.failures, failures)
many('RPUSH', q.ready, ready)
many('ZADD', q.delayed, delayed)
announce(q, recorded)
local due_now = #ready
for i = 1, #delayed, 2 do if delayed[i] * 1e6 <= now then due_now = due_now + 1 end end
if due_now > 0 then wake(q, due_now) end
if 2 * (due_now - #ready) < #delayed then wake_for_sooner(q, sooner) end
return lost
