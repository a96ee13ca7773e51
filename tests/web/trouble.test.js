// What can go wrong around a machine: its images, its storage, its worker, its page.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, serve, shows, type } from "./page.js";

const SIZE = 4 << 20;
/** What every sector of the image begins with. */
const MARK = "a sector of the image";

let server;
let chrome;
let images;

/** A server of images that misbehaves as `images.mood` says. */
function misbehave() {
  const image = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; at += 512) image.write(MARK, at);
  const site = createServer((request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Allow-Headers", "Range");
    response.setHeader("Access-Control-Expose-Headers", "Content-Range, ETag");
    if (request.method === "OPTIONS") return response.writeHead(204).end();
    if (request.url === "/cut.bin") {
      response.writeHead(200, { "Content-Length": SIZE });
      return response.write(image.subarray(0, 1000), () => response.destroy());
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    if (!range || request.url === "/whole.img") return response.writeHead(200, { "Content-Length": SIZE }).end(image);
    if (site.mood === "gone") return response.writeHead(404).end();
    const [start, last] = [Number(range[1]), Math.min(Number(range[2]), SIZE - 1)];
    const size = site.mood === "grown" ? SIZE + 512 : SIZE;
    const shift = site.mood === "elsewhere" ? 512 : 0;
    response.writeHead(206, { "Content-Range": `bytes ${start + shift}-${last + shift}/${size}`, ETag: '"1"', "Cache-Control": "no-store" });
    const part = image.subarray(start, last + 1);
    if (site.mood === "cut") return response.write(part.subarray(0, 700), () => response.destroy());
    response.end(site.mood === "short" ? part.subarray(0, 700) : part);
  });
  return new Promise((resolve) => site.listen(0, "127.0.0.1", () => resolve(Object.assign(site, { url: `http://127.0.0.1:${site.address().port}` }))));
}

before(async () => {
  images = await misbehave();
  server = await serve();
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  server?.close();
  images?.close();
  images?.closeAllConnections();
});

const FIRMWARE = "ferrite -M virt -cpu cortex-a57 -m 256 -nographic -bios u-boot.bin";

async function open(line, more = {}) {
  const page = await chrome.context.newPage();
  await page.goto(`${server.url}#${new URLSearchParams({ line, ...more })}`);
  return page;
}

/** U-Boot at its prompt. */
async function prompt(page) {
  await shows(page, "autoboot");
  await type(page, "");
  await shows(page, "=>");
}

const says = (page, text) => page.locator(".message", { hasText: text }).waitFor({ timeout: 60_000 });
const badge = (page, text) => page.locator(".badge", { hasText: text }).first().waitFor();

test("an image that vanishes in the middle stops the machine, which goes on when it is back", async () => {
  images.mood = "good";
  const disk = `-drive file=${images.url}/disk.img,format=raw,if=none,id=d,readonly=on -device virtio-blk-device,drive=d`;
  const page = await open(`${FIRMWARE} ${disk}`);
  await prompt(page);
  await type(page, "virtio scan");
  // Each asks for a piece of the image that was not fetched before.
  const moods = [["gone", "404"], ["cut", "in the middle of a read"], ["short", "700 bytes instead of"], ["grown", "has changed"], ["elsewhere", "another part"]];
  for (const [n, [mood, words]] of moods.entries()) {
    images.mood = mood;
    await type(page, `virtio read 0x41000000 ${(0x800 + 0x400 * n).toString(16)} 1 && md.b 0x41000000 15 && echo read-${n}`);
    await says(page, words);
    await badge(page, "paused");
    images.mood = "good";
    await page.getByRole("button", { name: "Try again" }).click();
    await shows(page, `\nread-${n}`, 20_000);
  }
  // The first words of a sector, as md.b shows them.
  await shows(page, "61 20 73 65 63 74 6f 72", 20_000);
  images.mood = "gone";
  await type(page, "virtio read 0x41000000 1f00 1 || echo the guest has seen it");
  await says(page, "404");
  await page.getByRole("button", { name: "Let the guest see the error" }).click();
  await shows(page, "\nthe guest has seen it", 20_000);
  await badge(page, "running");
  await page.close();
});

test("servers that cannot give a file are told of in words", async () => {
  images.mood = "good";
  const disk = await open(`${FIRMWARE} -drive file=${images.url}/whole.img,format=raw,if=virtio,readonly=on`);
  await says(disk, "does not answer range requests");
  await disk.close();
  const firmware = await open(`ferrite -M virt -bios ${images.url}/cut.bin`);
  await says(firmware, /ended after \d+ of 4194304 bytes/);
  await firmware.close();
});

test("storage that is full stops the machine, and what was written is whole", async () => {
  const line = `${FIRMWARE} -drive file=scratch.img,format=raw,if=none,id=d -device virtio-blk-device,drive=d`;
  const page = await open(line, { keep: "quota", file: `scratch.img=empty:${64 << 20}` });
  const control = await chrome.context.newCDPSession(page);
  const quota = (more) => control.send("Storage.overrideQuotaForOrigin", { origin: server.url.replace(/\/$/, ""), ...more });
  await prompt(page);
  await type(page, "virtio scan; mw.b 0x41000000 5a 200; virtio write 0x41000000 8 1 && echo small");
  await shows(page, "\nsmall");
  await quota({ quotaSize: 1 << 20 });
  await type(page, "virtio write 0x41000000 10000 1 && echo large");
  await says(page, "no room left");
  await badge(page, "paused");
  await quota({});
  await page.getByRole("button", { name: "Try again" }).click();
  await shows(page, "\nlarge", 20_000);
  await page.reload();
  await prompt(page);
  await type(page, "virtio scan; mw.b 0x41000000 0 600; virtio read 0x41000000 8 1; virtio read 0x41000200 10000 1; virtio read 0x41000400 10001 1");
  await type(page, "md.b 0x410001ff 2; md.b 0x410003ff 2; echo seen");
  const text = await shows(page, "\nseen", 20_000);
  assert.match(text, /410001ff: 5a 5a/);
  assert.match(text, /410003ff: 5a 00/);
  await page.close();
});

test("a worker that was killed is missed, and the machine can be started again", async () => {
  const page = await open(FIRMWARE);
  await prompt(page);
  await page.workers()[0].evaluate(() => void setTimeout(() => self.close()));
  await says(page, "does not answer");
  await badge(page, "silent");
  await page.getByRole("button", { name: "Start again" }).click();
  await badge(page, "running");
  await page.close();
});

test("a machine stands still while its page is asleep", async () => {
  const page = await open(FIRMWARE);
  await prompt(page);
  await type(page, "sleep 4; echo woke up");
  await page.workers()[0].evaluate(() => {
    for (const end = performance.now() + 8000; performance.now() < end; );
  });
  await shows(page, "asleep for", 10_000);
  await assert.rejects(shows(page, "\nwoke up", 1000));
  await shows(page, "\nwoke up", 20_000);
  // As the browser itself does it.
  const control = await chrome.context.newCDPSession(page);
  await control.send("Page.setWebLifecycleState", { state: "frozen" });
  await new Promise((resolve) => setTimeout(resolve, 6000));
  await control.send("Page.setWebLifecycleState", { state: "active" });
  await type(page, "echo still here");
  await shows(page, "\nstill here", 20_000);
  await badge(page, "running");
  await page.close();
});

test("files that cannot be read are told of, and replace nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ferrite-upload-"));
  const firmware = join(folder, "mine.bin");
  try {
    await writeFile(firmware, "not much");
    const page = await open(FIRMWARE);
    await badge(page, "running");
    await page.getByRole("tab", { name: "Files" }).click();
    const upload = (text) => page.getByLabel("Upload files").setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from(text) });
    await upload("whole");
    await page.locator(".files", { hasText: "5 B" }).waitFor();
    await page.evaluate(() => (File.prototype.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotReadableError"))));
    await upload("corrupted");
    await page.getByRole("alert").filter({ hasText: "Not uploaded: a.txt has changed or is gone" }).waitFor();
    await page.getByRole("button", { name: "Look again" }).click();
    await page.locator(".files", { hasText: "5 B" }).waitFor();
    await page.goto("about:blank");

    await page.goto(server.url);
    await page.getByLabel("Kernel, initial RAM disk").setInputFiles(firmware);
    await page.getByLabel("Command line, as for QEMU").fill("ferrite -M virt -bios mine.bin");
    await writeFile(firmware, "another length altogether");
    await page.getByRole("button", { name: "Start this machine" }).click();
    await says(page, "mine.bin has changed or is gone");
    await page.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});
