-- Wake another who waits, in place of one that was woken and went away: where there is work.

local q = queue(0)
if redis.call('LLEN', q.ready) > 0 or (head(q.delayed) or math.huge) <= now then wake(q, 1) end
return 0
