-- The only writer of desired state. All checks precede the first write, because Redis does not roll back a failed
-- script. The cost does not depend on the number of clusters or resources.
--
-- KEYS: meta, request, last, resources, history of the resource, audit, log
-- ARGV: epoch, revision, fingerprint, name, deletes (1|0), resource, record, digest, content digest,
--       request ttl (s), history length, history ttl after a delete (s), log length, traceparent, number of
--       read buckets, the read buckets, the touched buckets
-- Replies: {0, revision, previous revision, accept ms, create ms} committed
--          {1, revision} the same request was committed earlier
--          {2} the request id was used for another request
--          {3, head revision} stale
local meta, request, last, resources, history, audit, log =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local name, deletes, resource = ARGV[4], ARGV[5], ARGV[6]
local first_read, reads = 16, tonumber(ARGV[15])

local done = redis.call('GET', request)
if done then
  local revision, fingerprint = string.match(done, '^(%d+) (.*)$')
  if fingerprint ~= ARGV[3] then return {2} end
  return {1, tonumber(revision)}
end

local known = redis.call('HMGET', meta, 'epoch', 'revision', 'floor')
local head = tonumber(known[2] or 0)
if known[1] ~= ARGV[1] then return {3, head} end
if reads > 0 then
  local read_at, floor = tonumber(ARGV[2]), tonumber(known[3] or 0)
  for _, at in ipairs(redis.call('HMGET', last, unpack(ARGV, first_read, first_read + reads - 1))) do
    -- A deleted bucket changed at `floor` or earlier.
    if tonumber(at or floor) > read_at then return {3, head} end
  end
end

local clock = redis.call('TIME')
local accepted = clock[1] * 1000 + math.floor(clock[2] / 1000)
local created, previous = accepted, 0
local current = redis.call('HGET', resources, name)
if current then
  local create_ms, revision = string.match(current, '^(%d+) %d+ (%d+) ')
  created, previous = tonumber(create_ms), tonumber(revision)
else
  local entry = redis.call('XREVRANGE', history, '+', '-', 'COUNT', 1)[1]
  if entry then previous = tonumber(string.match(entry[1], '^%d+')) end
end

-- If memory is full, Redis refuses the first write of a script unless that frees memory; then it allows the others. So
-- faults still end, and what takes the memory can be deleted.
if deletes == '1' then redis.call('HDEL', resources, name) end
local revision = redis.call('HINCRBY', meta, 'revision', 1)
local id = string.format('%d-0', revision)
local value = string.format('%d %d %d %s ', created, accepted, revision, deletes) .. resource
if deletes ~= '1' then redis.call('HSET', resources, name, value) end
redis.call('XADD', history, 'MAXLEN', ARGV[11], id, 'v', value)
if deletes == '1' then
  redis.call('EXPIRE', history, ARGV[12])
elseif not current then
  redis.call('PERSIST', history)
end
redis.call('XADD', audit, id, 'r', ARGV[7], 'd', ARGV[8], 'c', ARGV[9],
  't', string.format('%d', accepted), 'p', string.format('%d', previous))
if ARGV[14] == '' then
  redis.call('XADD', log, 'MAXLEN', '~', ARGV[13], id, 'k', name)
else
  redis.call('XADD', log, 'MAXLEN', '~', ARGV[13], id, 'k', name, 't', ARGV[14])
end
local touched = {}
for i = first_read + reads, #ARGV do
  touched[#touched + 1] = ARGV[i]
  touched[#touched + 1] = revision
end
redis.call('HSET', last, unpack(touched))
redis.call('SET', request, string.format('%d ', revision) .. ARGV[3], 'EX', ARGV[10])
return {0, revision, previous, accepted, created}
