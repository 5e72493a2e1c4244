-- Replaces what is known of a cluster besides ours (an empty record: it is forgotten), and tells everybody to read it.
-- The record is not in the stream: it is large, and only the newest counts.
--
-- KEYS: meta, inventories, status log      ARGV: status log length, cluster, record, field naming the cluster
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
local number = redis.call('HINCRBY', KEYS[1], 'status', 1)
return redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], string.format('%d-0', number), ARGV[4], '')
