-- Remove tasks, unless they are running, with their records (KEYS[WIDTH + i]). ARGV: ids as
-- MessagePack. Answers the numbers, from 1, of those that it removed.

local q = queue(0)
local ids = cmsgpack.unpack(ARGV[1])
local done = {}
drains(q)
for i, id in ipairs(ids) do
  local state = state_of(q, id)
  if state and state ~= 'running' then
    local found = 0
    for _, set in ipairs({ 'delayed', 'processing', 'dead', 'completed', 'expiry' }) do
      found = found + redis.call('ZREM', q[set], id)
    end
    if found == 0 then redis.call('LREM', q.ready, 1, id) end
    forget(q, { id })
    redis.call('DEL', KEYS[WIDTH + i])
    done[#done + 1] = i
  end
end
return done
