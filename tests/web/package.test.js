// The JavaScript package on a page of somebody else, and the playground in that page's frame.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, serve } from "./page.js";
import { site } from "./site.js";

const ROOT = new URL("../..", import.meta.url).pathname;

const PAGE = `<!doctype html><meta charset="utf-8"><title>Somebody's page</title><pre id="screen"></pre>
<script type="module">
  import { Machine } from "./package/dist/ferrite.js";
  const decoder = new TextDecoder();
  const screen = (window.screen_ = document.getElementById("screen"));
  const machine = new Machine({
    line: "ferrite -M virt -cpu cortex-a57 -m 256 -nographic -bios firmware",
    files: { firmware: "/guests/u-boot.bin" },
  });
  machine.on("output", (bytes) => (screen.textContent += decoder.decode(bytes, { stream: true })));
  window.machine = machine;
</script>`;

let strange;
let playground;
let chrome;

before(async () => {
  const pages = { "/": PAGE, "/frame": "<!doctype html><title>Around</title>" };
  strange = await site(pages, (path) =>
    path.startsWith("/guests/") ? join(ROOT, "target/playground", path) : join(ROOT, "web", path),
  );
  playground = await serve("-embed", strange.url);
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  playground?.close();
  strange?.close();
});

test("a page of somebody else runs a machine by the package", async () => {
  const page = await chrome.context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(strange.url);
  await page.waitForFunction(() => window.screen_?.textContent.includes("autoboot"), null, { timeout: 120_000 });
  await page.evaluate(() => window.machine.type("\n"));
  await page.waitForFunction(() => window.screen_.textContent.includes("=>"), null, { timeout: 60_000 });
  const told = await page.evaluate(async () => {
    const disks = await window.machine.started;
    const qmp = window.machine.qmp();
    const events = [];
    qmp.onEvent = ({ event }) => events.push(event);
    const before = await qmp.execute("query-status");
    await qmp.execute("stop");
    const refused = await qmp.execute("no-such-command").catch((error) => error.error.class);
    const files = await window.machine.put("a.txt", new TextEncoder().encode("contents"));
    const text = await (await window.machine.get("a.txt")).text();
    const lost = await window.machine.get("b.txt").catch((error) => error.message);
    window.machine.end();
    return { disks, before, events, refused, files, text, lost };
  });
  assert.deepEqual(told.disks, []);
  assert.equal(told.before.status, "running");
  assert.deepEqual(told.events, ["STOP"]);
  assert.equal(told.refused, "CommandNotFound");
  assert.deepEqual(told.files, [{ name: "a.txt", size: 8 }]);
  assert.equal(told.text, "contents");
  assert.match(told.lost, /b\.txt/);
  assert.deepEqual(errors, []);
  await page.close();
});

test("the playground in a frame talks to the page around it, and only after hello", async () => {
  const page = await chrome.context.newPage();
  await page.goto(`${strange.url}/frame`);
  await page.evaluate((address) => {
    window.heard = [];
    window.answers = [];
    const frame = document.createElement("iframe");
    frame.src = `${address}#machine=u-boot&embed`;
    addEventListener("message", (event) => window.heard.push({ origin: event.origin, ...event.data }));
    document.body.append(frame);
    window.say = (message, ports = []) => frame.contentWindow.postMessage({ ferrite: 1, ...message }, address, ports);
  }, playground.url);
  const frame = page.frameLocator("iframe");
  await frame.locator(".badge", { hasText: "running" }).waitFor({ timeout: 60_000 });
  assert.equal(await frame.getByRole("button", { name: "Machines" }).count(), 0);
  assert.deepEqual(await page.evaluate(() => window.heard), []);
  await page.evaluate(() => window.say({ type: "hello" }));
  await page.waitForFunction(() => window.heard.some(({ type }) => type === "ready"));
  await page.evaluate(() => window.say({ type: "input", text: "\n" }));
  // Before the machine is stopped, or it has nothing to say.
  await page.waitForFunction(() => window.heard.some(({ type, text }) => type === "output" && text.length > 0));
  await page.evaluate(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => window.answers.push(JSON.parse(data));
    window.say({ type: "qmp" }, [port2]);
    port1.postMessage('{"execute": "qmp_capabilities", "id": 1}');
    port1.postMessage('{"execute": "stop", "id": 2}');
  });
  await page.waitForFunction(() => window.answers.some(({ event }) => event === "STOP"));
  await page.waitForFunction(() => window.heard.some(({ type, state }) => type === "state" && state === "paused"));
  const origins = await page.evaluate(() => [...new Set(window.heard.map(({ origin }) => origin))]);
  assert.deepEqual(origins, [new URL(playground.url).origin]);
  await page.close();
});
