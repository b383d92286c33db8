-- Takes one token of each budget, or of none. Of each: what a token costs and the room there is, in microseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait, full = 0, {}
for i, key in ipairs(KEYS) do
  local cost, room = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local at = math.max(tonumber(redis.call('GET', key) or now) or now, now)
  -- What a clock that went back, or somebody else, left there must not shut anybody out.
  at = math.min(at, now + room + tonumber(ARGV[1])) + cost
  wait = math.max(wait, at - now - room)
  full[i] = at
end
-- Half a microsecond is lost in rounding.
if wait > 0.5 then return math.ceil(wait) end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000) + 1)
end
return 0
