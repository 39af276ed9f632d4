-- Keep the later time of activity for each name, forget those that are gone,
-- and return all times from one on: name, time, and so on.
--
-- KEYS  activity
-- ARGV  since, names kept, names seen; then those: time, name; then those gone
local seen = 3 + 2 * ARGV[3]
for i = 4, seen, 1000 do -- Lua's stack holds 8000 values
  redis.call('ZADD', KEYS[1], 'GT', unpack(ARGV, i, math.min(i + 999, seen)))
end
for i = seen + 1, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
local excess = redis.call('ZCARD', KEYS[1]) - ARGV[2]
if excess > 0 then redis.call('ZPOPMIN', KEYS[1], excess) end
return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'WITHSCORES')
