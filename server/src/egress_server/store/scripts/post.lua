-- Puts a message into the inbox of a process. A request is posted only if the process is alive, and carries the time, by
-- the store's clock, at which its sender stops waiting.
--
-- KEYS: inbox; for a request also the sessions of the process      ARGV: inbox ttl (ms), message, time left (ms)
-- Reply: 1, or 0 if the process is gone
local message = ARGV[2]
if KEYS[2] then
  if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
  local clock = redis.call('TIME')
  local until_ms = clock[1] * 1000 + math.floor(clock[2] / 1000) + ARGV[3]
  message = string.format('%d ', until_ms) .. message
end
redis.call('RPUSH', KEYS[1], message)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
