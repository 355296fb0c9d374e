-- Keep records by themselves, each in KEYS[WIDTH + i]. ARGV: {id, record, milliseconds} as
-- MessagePack.

local q = queue(0)
local ids = {}
for i, record in ipairs(cmsgpack.unpack(ARGV[1])) do
  keep(KEYS[WIDTH + i], record[2], record[3])
  ids[i] = record[1]
end
announce(q, ids)
return #ids
