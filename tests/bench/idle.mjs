// What a machine at its prompt, with nobody typing, takes of the host's processors in a tab: with a worker
// for each CPU, and with one for all.
//
//   node tests/bench/idle.mjs [SECONDS]

import { readFileSync, readdirSync } from "node:fs";
import { browser, serve, shows } from "../web/page.js";

const [seconds = "20"] = process.argv.slice(2);
const PROMPT = "ferrite:/root#";
/** How long the page may still be busy with the boot's remains, in milliseconds. */
const SETTLES_MS = 8000;
const LINE = (cpus) =>
  `ferrite -M virt,gic-version=3 -cpu cortex-a57 -smp ${cpus} -m 512 -nographic` +
  ` -kernel cloud-6.1.Image -initrd cloud-6.1.cpio -append "console=ttyAMA0 quiet"`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The parent of each process. */
function parents() {
  const all = new Map();
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      all.set(pid, readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ")[1]);
    } catch {
      // It has ended.
    }
  }
  return all;
}

/** Seconds of processor time that the pages of our browser have taken: all threads of its renderers. */
function taken() {
  const parent = parents();
  const ours = (pid) => pid !== undefined && (pid === String(process.pid) || ours(parent.get(pid)));
  let sum = 0;
  for (const pid of parent.keys()) {
    if (!ours(pid)) continue;
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer")) continue;
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e9;
      }
    } catch {
      // It has ended.
    }
  }
  return sum;
}

const chrome = await browser();
try {
  for (const [name, cpus, options] of [
    ["one CPU, isolated page", 1, []],
    ["four CPUs with a worker each", 4, []],
    ["four CPUs that take turns", 4, ["-no-isolation"]],
  ]) {
    const server = await serve(...options);
    const page = await chrome.context.newPage();
    await page.goto(`${server.url}#line=${encodeURIComponent(LINE(cpus))}`);
    await shows(page, PROMPT);
    await pause(SETTLES_MS);
    const before = taken();
    await pause(Number(seconds) * 1000);
    const share = (taken() - before) / Number(seconds);
    console.log(`${name.padEnd(30)} ${(share * 100).toFixed(1).padStart(5)} % of a processor`);
    await page.close();
    server.close();
  }
} finally {
  await chrome.close();
}
