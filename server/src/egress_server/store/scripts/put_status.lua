-- Writes the status records of several clusters and announces them in one stream entry. The entry's id counts the
-- writes, so a reader notices a missing one.
--
-- KEYS: meta, status, status log, fences
-- ARGV: status log length, then for each cluster: id, fence, record
-- Reply: the ids of the clusters with a newer lease; nothing was written for those
local refused, written = {}, {}
for i = 2, #ARGV, 3 do
  local cluster, fence = ARGV[i], redis.call('HGET', KEYS[4], ARGV[i])
  if fence and tonumber(ARGV[i + 1]) < tonumber(fence) then
    refused[#refused + 1] = cluster
  else
    written[#written + 1] = cluster
    written[#written + 1] = ARGV[i + 2]
  end
end
if #written > 0 then
  -- First what frees memory, since Redis would refuse this otherwise while it is full (see commit.lua).
  redis.call('XTRIM', KEYS[3], 'MAXLEN', '~', ARGV[1])
  redis.call('HSET', KEYS[2], unpack(written))
  local number = redis.call('HINCRBY', KEYS[1], 'status', 1)
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], string.format('%d-0', number), unpack(written))
end
return refused
