-- Keep records by themselves, each in KEYS[WIDTH + i]. ARGV: {id, milliseconds} as
-- MessagePack; then the records.

local q = queue(0)
local ids = {}
for i, record in ipairs(cmsgpack.unpack(ARGV[1])) do
  keep(KEYS[WIDTH + i], ARGV[i + 1], record[2])
  ids[i] = record[1]
end
announce(q, ids)
return #ids
