// What scripts do: calls, numbers, strings, objects; long enough for the optimising compiler.
function fibonacci(n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

fibonacci(30);
let sum = 0;
for (let i = 1; i < 5_000_000; i++) sum += i / (i + 1);
const words = new Map();
for (let i = 0; i < 200_000; i++) {
  const word = `word${i % 997}`;
  words.set(word, (words.get(word) ?? 0) + i);
}
const text = JSON.stringify([...words]);
if (text.match(/word\d+/g).length !== 997) throw new Error('words were lost');
console.log(sum, text.length);
