-- Tells which agents a process holds. Who stops telling is forgotten by itself.
--
-- KEYS: processes, sessions of the process      ARGV: process, ttl (ms), version, sessions (empty: as before)
-- Reply: 1, or 0 where nothing is known that could be as before
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[2], 'version', ARGV[3], 'sessions', ARGV[4])
elseif redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
