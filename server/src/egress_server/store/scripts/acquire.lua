-- Takes or renews the lease on a cluster. Each new lease has a higher fence, which put_status.lua checks.
--
-- KEYS: lease, fences      ARGV: owner, ttl (ms), cluster
-- Reply: the fence, or nil while another owner holds the lease
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return false end
-- Without the DEL, Redis would refuse this while its memory is full (see commit.lua), and clusters would be without an
-- applier that ends their faults.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if owner then return tonumber(redis.call('HGET', KEYS[2], ARGV[3])) end
return redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
