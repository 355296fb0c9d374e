-- Make dead tasks pending, attempts and losses anew, and drop their records (KEYS[WIDTH + i]).
-- ARGV: ids as MessagePack. Answers the numbers, from 1, of those that were dead.

local q = queue(0)
local ids = cmsgpack.unpack(ARGV[1])
local done, ready = {}, {}
drains(q)
local base = redis.call('EXISTS', q.dead) == 1 and tick(q, #ids) or 0
for i, id in ipairs(ids) do
  if not expired(q, id) and redis.call('ZREM', q.dead, id) == 1 then
    redis.call('ZREM', q.expiry, id)
    redis.call('HDEL', q.failures, id)
    redis.call('HSET', q.runs, id, struct.pack(RUN, 1, 0, 0, base + i - 1))
    redis.call('DEL', KEYS[WIDTH + i])
    ready[#ready + 1] = id
    done[#done + 1] = i
  end
end
many('RPUSH', q.ready, ready)
if #ready > 0 then wake(q, #ready) end
return done
