-- The ids of the last entries of an incarnation: number-0, id, and so on.
--
-- KEYS  state, log
-- ARGV  incarnation, limit
local found = {}
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return found end
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[2])) do
  found[#found + 1] = entry[1]
  found[#found + 1] = entry[2][2]
end
return found
