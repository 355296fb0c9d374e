-- A task as it is told: {id, message, run, failure, state, the time that belongs to it}.

local function told(q, id, state, at)
  return {
    id,
    redis.call('HGET', q.messages, id),
    redis.call('HGET', q.runs, id),
    redis.call('HGET', q.failures, id),
    state,
    string.format('%.0f', at),
  }
end

local function expired(q, id)
  local ends = redis.call('ZSCORE', q.expiry, id)
  return ends and micros(ends) <= now
end

-- Its state and its time, or nothing where it is not kept.
local function state_of(q, id)
  local message = redis.call('HGET', q.messages, id)
  if not message or expired(q, id) then return end
  for _, set in ipairs({ 'processing', 'delayed', 'dead', 'completed' }) do
    local at = redis.call('ZSCORE', q[set], id)
    if at then
      at = micros(at)
      if set == 'processing' then return at <= now and 'pending' or 'running', at end
      if set == 'delayed' then return at <= now and 'pending' or 'scheduled', at end
      return set, at
    end
  end
  return 'pending', due_of(message, redis.call('HGET', q.runs, id))
end
