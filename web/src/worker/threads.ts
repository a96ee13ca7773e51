// What a worker gives the core that has threads: a clock that all workers agree about, a bell for the
// machine's worker, and random bytes.

/** Lets the core have these. `origin` is the moment that it counts its time from. */
export function provideThreads(origin: number, ring: () => void): void {
  const ahead = performance.timeOrigin - origin;
  const ferriteThreads = {
    now: () => performance.now() + ahead,
    ring,
    random: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
  };
  Object.assign(self, { ferriteThreads });
}
