-- Requests a resync of a cluster from its applier. Nothing is kept: an applier that starts later reads the cluster anyway.
--
-- KEYS: meta, status log      ARGV: status log length, field naming the cluster
local number = redis.call('HINCRBY', KEYS[1], 'status', 1)
return redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], string.format('%d-0', number), ARGV[2], '')
