-- Whether an instance may hold so many of each: what it holds then, and the most of all. The first key says who lives.
-- Answers 0, or the number of the first that has no place.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, kept = ARGV[1], ARGV[2]
local lives, pairs_of = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #pairs_of, 2 do
  lives[pairs_of[i]] = tonumber(pairs_of[i + 1]) > now
end
local own = {}
for i = 2, #KEYS do
  local sum, held = 0, redis.call('HGETALL', KEYS[i])
  for j = 1, #held, 2 do
    local owner, count = held[j], tonumber(held[j + 1])
    if owner == me then
      own[i] = count
    elseif lives[owner] then
      sum = sum + count
    else
      redis.call('HDEL', KEYS[i], owner)
    end
  end
  if sum + tonumber(ARGV[2 * i - 1]) > tonumber(ARGV[2 * i]) then return i - 1 end
end
for i = 2, #KEYS do
  redis.call('HSET', KEYS[i], me, math.max(tonumber(ARGV[2 * i - 1]), own[i] or 0))
  redis.call('PEXPIRE', KEYS[i], kept)
end
return 0
