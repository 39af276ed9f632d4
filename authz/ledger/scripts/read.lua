-- All records, or all intents, of an incarnation: key, value, and so on.
--
-- KEYS  state, records or intents
-- ARGV  incarnation
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return redis.error_reply('OTHER incarnation') end
return redis.call('HGETALL', KEYS[2])
