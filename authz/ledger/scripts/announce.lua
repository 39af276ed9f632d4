-- Keep an intent, unless there are too many. Returns 1 if it did.
--
-- KEYS  state, intents
-- ARGV  incarnation, id, sealed, intents kept
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return redis.error_reply('OTHER incarnation') end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
