-- Begin an incarnation if there is none. Returns 1 if it did.
--
-- KEYS  state, members, log, records, intents, touched, told
-- ARGV  incarnation, number and id of its head, origin: incarnation and number;
--       how many members were lost with the former one, and those: id, value;
--       then records: key, value
if redis.call('HEXISTS', KEYS[1], 'incarnation') == 1 then return 0 end
-- What somebody left who removed only the state belongs to nobody any more.
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'incarnation', ARGV[1], 'number', ARGV[2], 'id', ARGV[3], 'baseNumber', ARGV[2], 'baseID', ARGV[3],
  'originIncarnation', ARGV[4], 'originNumber', ARGV[5], 'floor', ARGV[2], 'tick', 0)
local first = 7 + 2 * ARGV[6]
for i = 7, first - 2, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
for i = first, #ARGV, 1000 do -- Lua's stack holds 8000 values
  redis.call('HSET', KEYS[4], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return 1
