-- Keep an answer of the Hub, unless it may be older than an entry about what
-- it depends on, or its tick has not come yet. Returns 1 if it did.
--
-- KEYS  state, touched, answer
-- ARGV  incarnation, number of the position behind which it was asked for,
--       milliseconds to keep it, sealed, tick; then marks
local s = redis.call('HMGET', KEYS[1], 'incarnation', 'floor', 'tick')
local at = tonumber(ARGV[2])
if s[1] ~= ARGV[1] or at < tonumber(s[2]) or tonumber(ARGV[5]) > tonumber(s[3]) then return 0 end
for i = 6, #ARGV do
  local number = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if number and tonumber(number) > at then return 0 end
end
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[3])
return 1
