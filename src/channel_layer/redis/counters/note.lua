-- Notes tokens that were taken elsewhere. Of each budget: cost, room, how many. Answers how far each is ahead.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead = {}
for i, key in ipairs(KEYS) do
  local cost, room = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local at = math.max(tonumber(redis.call('GET', key) or now) or now, now)
  at = at + cost * tonumber(ARGV[3 * i + 1])
  at = math.max(now, math.min(at, now + room + tonumber(ARGV[1])))
  if at > now then
    redis.call('SET', key, string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
  else
    redis.call('DEL', key)
  end
  ahead[i] = math.ceil(at - now)
end
return ahead
