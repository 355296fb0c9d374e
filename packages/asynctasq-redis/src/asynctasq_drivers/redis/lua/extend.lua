-- Let leases run on from now. ARGV: {id, receipt, seconds} as MessagePack. Answers the numbers,
-- from 1, of those that are no longer held.

local q = queue(0)
local leases = cmsgpack.unpack(ARGV[1])
local ids, lost, longer = {}, {}, {}
for i, lease in ipairs(leases) do ids[i] = lease[1] end
drains(q)
for i, run in ipairs(read(q.runs, ids)) do
  local _, _, receipt = 0, 0, 0
  if run then _, _, receipt = struct.unpack(RUN, run) end
  if receipt == leases[i][2] then
    longer[#longer + 1] = now / 1e6 + math.min(leases[i][3], 1e11)
    longer[#longer + 1] = ids[i]
  else
    lost[#lost + 1] = i
  end
end
many('ZADD', q.processing, longer)
return lost
