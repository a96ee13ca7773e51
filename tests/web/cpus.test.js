// Several CPUs in the tab: at the same time in an isolated page, by turns elsewhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, qmp, screen, serve, shows, type } from "./page.js";

const PROMPT = "ferrite:/root#";
const line = (more) =>
  `ferrite -M virt,gic-version=3 -cpu cortex-a57 -smp 4 -m 512 -nographic ${more}` +
  ` -kernel cloud-6.1.Image -initrd cloud-6.1.cpio -append "console=ttyAMA0 quiet"`;

let chrome;

before(async () => {
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
});

async function boot(server, more = "") {
  const page = await chrome.context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`${server.url}#line=${encodeURIComponent(line(more))}`);
  await shows(page, PROMPT);
  await type(page, "echo cpus-$(nproc)");
  await shows(page, "cpus-4");
  return { page, errors };
}

/** Whether two loops at once ever take clearly less than twice what one takes, as they never do by turns. */
async function overlap(page) {
  await type(page, "w() { i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; }; u() { read a b </proc/uptime; echo ${a%.*}${a#*.}; }");
  for (let n = 0; n < 8; n++) {
    await type(page, `s=$(u); w; e=$(u); w & w; wait; f=$(u); echo "run ${n}: $((e-s)) $((f-e))."`);
    await shows(page, `\nrun ${n}: `);
    const [, one, two] = new RegExp(`\\nrun ${n}: (\\d+) (\\d+)\\.`).exec(await screen(page));
    if (two < 1.8 * one) return true;
  }
  return false;
}

test("in an isolated page, CPUs run at the same time", async () => {
  const server = await serve();
  try {
    const { page, errors } = await boot(server);
    assert.ok(await overlap(page), "loops on two CPUs take turns");
    const cpus = await qmp(page, "query-cpus-fast");
    assert.equal(cpus.match(/"cpu-index"/g).length, 4);
    // The whole machine stops, goes on, and starts anew.
    await qmp(page, "stop");
    await page.locator(".badge", { hasText: "paused" }).waitFor();
    await qmp(page, "cont");
    await page.locator(".badge", { hasText: "running" }).waitFor();
    await type(page, "echo on-$((40 + 2))");
    await shows(page, "on-42");
    // What the first boot said is not to be taken for the second's.
    await type(page, "clear; echo gone-$((6 * 7))");
    await shows(page, "gone-42");
    await type(page, "reboot -f");
    await shows(page, "guest ready");
    await type(page, "echo again-$(nproc)");
    await shows(page, "again-4");
    await type(page, "poweroff -f");
    await page.locator(".message", { hasText: "powered off" }).waitFor();
    assert.deepEqual(errors, []);
    await page.close();
  } finally {
    server.close();
  }
});

test("they take turns where the line says so, and in a page that is not isolated", async () => {
  for (const [options, more] of [[[], "-accel tcg,thread=single"], [["-no-isolation"], ""]]) {
    const server = await serve(...options);
    try {
      const { page, errors } = await boot(server, more);
      assert.deepEqual(errors, []);
      await page.close();
    } finally {
      server.close();
    }
  }
});
