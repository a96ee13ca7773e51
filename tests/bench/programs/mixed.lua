-- What scripts do: calls, numbers, strings and tables.

local function fibonacci(n)
  if n < 2 then return n end
  return fibonacci(n - 1) + fibonacci(n - 2)
end

fibonacci(27)
local sum = 0.0
for i = 1, 3000000 do
  sum = sum + i / (i + 1)
end
local words = {}
for i = 1, 100000 do
  local word = "word" .. (i % 997)
  words[word] = (words[word] or 0) + i
end
local list = {}
for word, count in pairs(words) do
  list[#list + 1] = word .. count
end
table.sort(list)
print(sum, #table.concat(list))
