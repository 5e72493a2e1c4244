-- Deletes audit records up to a sealed revision and keeps the chain value there, from which the rest is verified.
--
-- KEYS: seal, audit      ARGV: the base of the last trim ('0' at first), new base, its chain value, new base + 1
if (redis.call('HGET', KEYS[1], 'base_revision') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'base_revision', ARGV[2], 'base_chain', ARGV[3])
return redis.call('XTRIM', KEYS[2], 'MINID', ARGV[4] .. '-0')
