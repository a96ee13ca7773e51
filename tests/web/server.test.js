// Machines in processes of the server, seen from the same page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, qmp, serve, shows, type } from "./page.js";

let server;
let chrome;

before(async () => {
  server = await serve("-machines", "2", "-machines-each", "1", "-machine-memory", "512");
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  server?.close();
});

const says = (page, text) => page.locator(".message", { hasText: text }).waitFor();

test("a machine on the server has the same terminal and QMP console", async () => {
  const page = await chrome.context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(server.url);
  await page.getByRole("button", { name: "Start U-Boot on the server" }).click();
  await shows(page, "autoboot");
  assert.equal(page.workers().length, 0);
  await type(page, "");
  await shows(page, "=>");
  await type(page, "echo $((1 + 1)); echo on the server");
  await shows(page, "\non the server");
  assert.match(await qmp(page, "query-status"), /"status": "running"/);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".badge", { hasText: "paused" }).waitFor();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator(".badge", { hasText: "running" }).waitFor();
  assert.match(await qmp(page, '{"execute": "pmemsave", "arguments": {"val": 0, "size": 8, "filename": "x"}}'), /not for machines on this server/);

  // The second machine of one client is one too many.
  const second = await chrome.context.newPage();
  await second.goto(`${server.url}#machine=u-boot&on=server`);
  await says(second, "you have 1 machines on this server already");
  await second.close();
  // The machine ends with its page, and its place is free again.
  await page.goto("about:blank");
  await page.goto(`${server.url}#machine=u-boot&on=server`);
  await shows(page, "autoboot");
  await type(page, "");
  await shows(page, "=>");
  await type(page, "poweroff");
  await says(page, "powered off");
  assert.deepEqual(errors, []);
  await page.close();
});

test("a stranger's machine gets nothing of the server's", async () => {
  const page = await chrome.context.newPage();
  for (const [line, why] of [
    ["ferrite -M virt -bios /etc/passwd", "there is no such guest"],
    ["ferrite -M virt -m 2G -bios u-boot.bin", "at most 512 MiB"],
    ["ferrite -M virt -bios u-boot.bin -netdev user,id=n", "-netdev is not for machines on this server"],
    ["ferrite -M virt -bios u-boot.bin -device nonsense", "nonsense"],
  ]) {
    await page.goto(`${server.url}#${new URLSearchParams({ line, on: "server" })}`);
    await says(page, why);
  }
  await page.close();
  // Pages of other origins, and servers that were not told to, start none.
  const stranger = new WebSocket(`${server.url.replace("http", "ws")}vm/start?line=-bios%20u-boot.bin`, { headers: { Origin: "https://evil.example" } });
  await new Promise((resolve) => stranger.addEventListener("error", resolve));
  const other = await serve();
  const refusal = await fetch(`${other.url}vm/start?line=-bios%20u-boot.bin`);
  assert.equal((await (await fetch(`${other.url}vm`)).json()).machines, 0);
  assert.equal(refusal.status, 403);
  assert.match(await refusal.text(), /runs no machines/);
  other.close();
});
