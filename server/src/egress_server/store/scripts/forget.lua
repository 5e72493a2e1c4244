-- Deletes buckets that last changed at `floor` or earlier; a deleted bucket counts as changed at `floor`.
--
-- KEYS: meta, last      ARGV: floor, then buckets
local floor = tonumber(ARGV[1])
if floor > tonumber(redis.call('HGET', KEYS[1], 'floor') or 0) then redis.call('HSET', KEYS[1], 'floor', ARGV[1]) end
local forgotten = 0
for i = 2, #ARGV do
  local at = redis.call('HGET', KEYS[2], ARGV[i])
  if at and tonumber(at) <= floor then forgotten = forgotten + redis.call('HDEL', KEYS[2], ARGV[i]) end
end
return forgotten
