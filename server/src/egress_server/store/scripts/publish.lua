-- Publishes the agents attached to a process. A process that stops publishing expires.
--
-- KEYS: processes, sessions of the process      ARGV: process, ttl (ms), version, sessions (empty: unchanged)
-- Reply: 1, or 0 if there is nothing that could be unchanged
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[2], 'version', ARGV[3], 'sessions', ARGV[4])
elseif redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
