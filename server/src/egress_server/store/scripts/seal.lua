-- Moves the head of the audit chain, unless another process moved it in the meantime.
--
-- KEYS: seal      ARGV: the head that was chained from ('0' at first), new revision, its chain value
if (redis.call('HGET', KEYS[1], 'revision') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'chain', ARGV[3])
return 1
