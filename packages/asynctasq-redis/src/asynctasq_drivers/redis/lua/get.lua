-- One task. ARGV: its id. Answers it, or nothing.

local q = queue(0)
local state, at = state_of(q, ARGV[1])
return state and told(q, ARGV[1], state, at)
