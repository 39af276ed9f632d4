-- Mark a member as lost if its counter is still the one given.
--
-- KEYS  members
-- ARGV  member, counter
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then return 0 end
local counter, applied, name = string.match(found, '^(%d+):(%d+):%d:(.*)$')
if counter ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], counter .. ':' .. applied .. ':1:' .. name)
return 1
