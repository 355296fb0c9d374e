-- Store messages, unless their ids are here already, or a record of them is (KEYS[WIDTH + i]).
-- ARGV: {id, seconds of delay}, as MessagePack; then the rest of each message. Answers whether the
-- queue is new. Its first write may take memory, so that beyond `maxmemory` nothing is stored; and
-- it looks at each key before, so that nothing is where one of them is somebody else's.

local q = queue(0)
local messages = cmsgpack.unpack(ARGV[1])
local recorded = {}
for first = WIDTH + 1, #KEYS, 5000 do
  if redis.call('EXISTS', unpack(KEYS, first, math.min(first + 4999, #KEYS))) > 0 then
    for i = first, math.min(first + 4999, #KEYS) do
      recorded[i - WIDTH] = redis.call('EXISTS', KEYS[i]) == 1
    end
  end
end

redis.call('LLEN', q.ready)
local anybody = redis.call('ZCARD', q.waiters) > 0
local sooner = head(q.delayed)
local base, fresh = tick(q, #messages)
local ready, delayed = {}, {}
for i, message in ipairs(messages) do
  local id, delay, at = message[1], message[2], base + i - 1
  local stored = struct.pack('<d', at) .. ARGV[i + 1]
  if not recorded[i] and redis.call('HSETNX', q.messages, id, stored) == 1 then
    if delay > 0 then
      delayed[#delayed + 1] = at / 1e6 + delay
      delayed[#delayed + 1] = id
    else
      ready[#ready + 1] = id
    end
  end
end
many('RPUSH', q.ready, ready)
many('ZADD', q.delayed, delayed)
if anybody and #ready > 0 then wake(q, #ready) end
if anybody and #delayed > 0 then wake_for_sooner(q, sooner) end
return fresh and 1 or 0
