"""What scripts do: calls, numbers, strings, lists and dictionaries."""

import json
import re


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def moved(self, by):
        return Point(self.x + by, self.y - by)


fibonacci(21)
point = Point(0.0, 0.0)
for step in range(20_000):
    point = point.moved(step * 0.5)
words = {}
for number in range(20_000):
    words.setdefault(f"word{number % 997}", []).append(number)
text = json.dumps(words)
assert json.loads(text) == words
assert len(re.findall(r"word\d+", text)) == 997
print(sum(sorted(hash(w) % 1000 for w in words)))
