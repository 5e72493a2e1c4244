-- Replaces the inventory of a cluster (an empty record deletes it) and announces that in the status log. The record
-- itself is not in the stream: it is large, and only the newest one matters.
--
-- KEYS: meta, inventories, status log      ARGV: status log length, cluster, record, field naming the cluster
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
local number = redis.call('HINCRBY', KEYS[1], 'status', 1)
return redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], string.format('%d-0', number), ARGV[4], '')
