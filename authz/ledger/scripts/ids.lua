-- The ids of the last entries of an incarnation, and of its beginning, if there
-- is room: number-0, id, and so on.
--
-- KEYS  state, log
-- ARGV  incarnation, limit
local found = {}
local s = redis.call('HMGET', KEYS[1], 'incarnation', 'baseNumber', 'baseID')
if s[1] ~= ARGV[1] then return found end
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[2])) do
  found[#found + 1] = entry[1]
  found[#found + 1] = entry[2][2]
end
if #found < 2 * ARGV[2] then
  found[#found + 1] = s[2] .. '-0'
  found[#found + 1] = s[3]
end
return found
