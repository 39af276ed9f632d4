-- One turn of a member: renew its membership, append if it is at the head, and
-- say what came after its position. All or nothing of it happens.
--
-- KEYS  state, members, log, records, intents, touched, told
-- ARGV  incarnation, member, name, joined, number and id of its position,
--       announce, limit, channel, entries kept, marks kept, what it tells of
--       entries, the entries it asks about, how many entries to append;
--       for each: id, sealed, intent, only if pending, and how many marks,
--       records set and records removed; then those
local state, members, log, records, intents, touched, told = unpack(KEYS)
local incarnation, member, name, joined, at, atID, announce, limit, channel, keepLog, keepMarks, telling, asked, count = unpack(ARGV, 1, 14)
local first = 15

local s = redis.call('HMGET', state, 'incarnation', 'originIncarnation', 'originNumber', 'number', 'id', 'baseNumber', 'baseID')
if not s[1] then return {''} end
local head, headID = s[4], s[5]
local same = incarnation == s[1]

-- Numbers are doubles here: exact below 2^53, and written without an exponent.
local function decimal(n) return string.format('%d', n) end

-- Whether the member's position is one of this history. If it is not, it has
-- confirmed nothing: the same number stands for another entry there.
local function here()
  if at == head then return atID == headID end
  if at == s[6] then return atID == s[7] end
  local entry = redis.call('XRANGE', log, at .. '-0', at .. '-0')[1]
  return entry ~= nil and entry[2][2] == atID
end

-- Whether the entries may be appended: nobody else has since, and the intents
-- are pending that have to be.
local function may()
  if not same or count == '0' or at ~= head or atID ~= headID then return false end
  local p = first
  for _ = 1, tonumber(count) do
    if ARGV[p + 3] == '1' and redis.call('HEXISTS', intents, ARGV[p + 2]) == 0 then return false end
    p = p + 7 + ARGV[p + 4] + 2 * ARGV[p + 5] + ARGV[p + 6]
  end
  return true
end

-- Appends one entry whose arguments begin at p, and returns where they end.
local function append(p, number)
  local id, sealed, intent = ARGV[p], ARGV[p + 1], ARGV[p + 2]
  local marks, set, removed = tonumber(ARGV[p + 4]), tonumber(ARGV[p + 5]), tonumber(ARGV[p + 6])
  redis.call('XADD', log, 'MAXLEN', keepLog, number .. '-0', 'id', id, 'sealed', sealed)
  if intent ~= '' then redis.call('HDEL', intents, intent) end
  p = p + 7
  for i = p, p + marks - 1 do redis.call('ZADD', touched, number, ARGV[i]) end
  p = p + marks
  for i = p, p + 2 * set - 2, 2 do redis.call('HSET', records, ARGV[i], ARGV[i + 1]) end
  p = p + 2 * set
  for i = p, p + removed - 1 do redis.call('HDEL', records, ARGV[i]) end
  redis.call('HSET', state, 'number', number, 'id', id)
  return p + removed, id
end

-- The first write, and one that a server without memory refuses.
local tick = redis.call('HINCRBY', state, 'tick', 1)

local before = redis.call('HGET', members, member)
local wasApplied, wasLost = '0', '0'
if before then wasApplied, wasLost = string.match(before, '^%d+:(%d+):(%d):') end
if joined == '0' then
  local all = redis.call('HGETALL', members)
  for i = 1, #all, 2 do
    local lost, where = string.match(all[i + 1], '^%d+:%d+:(%d):(.*)$')
    if lost == '1' and where == name then redis.call('HDEL', members, all[i]) end
  end
end
local applied = '0'
if same and here() then applied = at end
redis.call('HSET', members, member, decimal(tick) .. ':' .. applied .. ':0:' .. name)

local entries = {}
if same and at ~= head then
  entries = redis.call('XRANGE', log, '(' .. at .. '-0', '+', 'COUNT', limit)
end

local appended = may()
if appended then
  local p, number = first, tonumber(head)
  for _ = 1, tonumber(count) do
    number = number + 1
    head = decimal(number)
    p, headID = append(p, head)
  end
  local excess = redis.call('ZCARD', touched) - keepMarks
  if excess > 0 then
    -- An answer that was asked for before the youngest mark that is forgotten
    -- cannot be judged any more.
    local popped = redis.call('ZPOPMIN', touched, excess)
    redis.call('HSET', state, 'floor', popped[#popped])
  end
end

-- What members tell of entries is for people: it may be forgotten.
if same and telling ~= '' then
  if redis.call('HLEN', told) > 2000 then redis.call('UNLINK', told) end
  for number, sockets, tellers in string.gmatch(telling, '(%d+):(%-?%d+):(%d+)') do
    redis.call('HINCRBY', told, number .. ':sockets', sockets)
    redis.call('HINCRBY', told, number .. ':tellers', tellers)
  end
end
local sums = {}
for number in string.gmatch(asked, '%d+') do
  local sum = redis.call('HMGET', told, number .. ':sockets', number .. ':tellers')
  table.insert(sums, number)
  table.insert(sums, sum[1] or '0')
  table.insert(sums, sum[2] or '0')
end

local acked = telling ~= '' or tonumber(applied) > tonumber(wasApplied)
if appended or acked or announce == '1' then
  redis.call('PUBLISH', channel, head .. (acked and ' acked' or ''))
end

local function bit(b) return b and '1' or '0' end
local dropped = joined == '1' and (not before or wasLost == '1')
return {
  s[1], s[2], s[3], decimal(tick), head, headID, bit(appended), bit(dropped),
  entries, redis.call('HGETALL', members), sums,
}
