// A person's way through the page, with a real Debian kernel.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FERRITE, accessible, browser, qmp, serve, shows, type } from "./page.js";

const ROOT = new URL("../..", import.meta.url).pathname;
const PROMPT = "ferrite:/root#";

let server;
let chrome;

before(async () => {
  server = await serve();
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  server?.close();
});

async function open(path) {
  const page = await chrome.context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(server.url + path);
  return { page, errors };
}

test("the gallery is accessible, dark and light", async () => {
  const { page, errors } = await open("");
  await page.getByRole("heading", { name: "Debian kernel and BusyBox" }).waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Switch between dark and light" }).click();
  await accessible(page);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  assert.deepEqual(errors, []);
  await page.close();
});

test("a guest boots, answers commands and QMP, and keeps its disk over a reload", async () => {
  const { page, errors } = await open("");
  await page.getByRole("button", { name: "Start Debian kernel with a disk that stays" }).click();
  // The kernel says nothing for a while; the page does.
  await page.locator(".loading", { hasText: "million instructions" }).waitFor();
  await shows(page, PROMPT);
  assert.equal(await page.locator(".loading li").count(), 0);
  await type(page, "echo $((6 * 7))-$(uname -m)");
  await shows(page, "42-aarch64");
  await accessible(page);

  assert.match(await qmp(page, "query-status"), /"status": "running"/);
  assert.match(await qmp(page, '{"execute": "query-name"}'), /return/);
  assert.match(await qmp(page, "no-such-command"), /CommandNotFound/);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".qmp-entry.event", { hasText: "STOP" }).waitFor();
  await page.locator(".badge", { hasText: "paused" }).waitFor();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator(".badge", { hasText: "running" }).waitFor();
  await page.getByLabel("QMP command").pressSequentially("query-blo");
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("Tab");
  await accessible(page);

  // An address that DHCP of the page's network gave.
  await type(page, "ip link set eth0 up && udhcpc -n -q -t 10 -i eth0 >/dev/null 2>&1; ip -4 addr show eth0");
  await shows(page, "10.0.2.15", 60_000);

  // What the guest asks of the network, the page fetches.
  await type(page, "echo fetched: $(wget -q -O - http://page/ | grep -c Ferrite)");
  await shows(page, "fetched: 1", 60_000);

  await type(page, "echo written-by-the-guest | dd of=/dev/vda bs=512 seek=7 conv=sync 2>/dev/null; sync; echo syn''ced");
  await shows(page, "synced");
  await page.reload();
  await shows(page, PROMPT);
  await type(page, "dd if=/dev/vda bs=512 skip=7 count=1 2>/dev/null | head -n 1");
  await shows(page, "written-by-the-guest");
  await page.getByRole("tab", { name: "Figures" }).click();
  await page.locator(".figure-value", { hasText: "million" }).waitFor();
  assert.deepEqual(errors, []);
  await page.close();
});

test("files go to the guest and come back", async () => {
  const { page } = await open("#machine=debian-share");
  await shows(page, PROMPT);
  await page.getByRole("tab", { name: "Files" }).click();
  await page.getByLabel("Upload files").setInputFiles({ name: "hello.txt", mimeType: "text/plain", buffer: Buffer.from("uploaded-by-the-page\n") });
  await page.getByRole("button", { name: "Download hello.txt" }).waitFor();
  await type(page, "mount -t 9p -o trans=virtio share /mnt && cat /mnt/hello.txt && echo made-by-the-guest > /mnt/back.txt");
  await shows(page, "uploaded-by-the-page");
  await page.getByRole("button", { name: "Look again" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download back.txt" }).click();
  const back = await (await download).createReadStream();
  assert.equal(String((await back.toArray())[0]), "made-by-the-guest\n");
  await page.close();
});

test("the machine's objects can be looked at, and its trace events heard", async () => {
  const { page, errors } = await open("#machine=u-boot");
  await shows(page, "U-Boot");
  await page.getByRole("tab", { name: "Objects" }).click();
  await page.getByRole("treeitem", { name: "machine virt-10.0-machine" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".properties dt", { hasText: "gic-version" }).waitFor();
  assert.match(await page.locator(".properties").textContent(), /gic-version string"3"/);
  await page.keyboard.press("ArrowRight");
  await page.getByRole("treeitem", { name: "unattached container" }).locator(".tree-label").click();
  await page.getByRole("treeitem", { name: /pl011/ }).waitFor();
  await accessible(page);

  await page.getByRole("tab", { name: "Trace" }).click();
  await page.getByLabel("Show events whose name has").fill("pl011");
  await page.getByLabel("pl011_write").check();
  await type(page, "");
  await page.locator(".trace-log li", { hasText: "pl011_write" }).first().waitFor();
  assert.equal(await page.locator(".trace-log li", { hasNotText: "pl011_write" }).count(), 0);
  await accessible(page);
  assert.deepEqual(errors, []);
  await page.close();
});

test("a native client attaches to a machine that lets it, and to no other", async () => {
  const { page } = await open("#machine=u-boot");
  await shows(page, "U-Boot");
  await page.getByRole("tab", { name: "Clients" }).click();
  await page.getByRole("button", { name: "Allow native clients" }).click();
  const address = await page.locator(".address").textContent();

  const refused = new WebSocket(address.replace(/offer=.*/, `offer=${"0".repeat(32)}`));
  await new Promise((resolve) => refused.addEventListener("error", resolve));

  const client = new WebSocket(address);
  const heard = [];
  client.addEventListener("message", ({ data }) => heard.push(JSON.parse(data)));
  const until = async (found) => {
    for (let n = 0; n < 100 && !heard.some(found); n++) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(heard.some(found), JSON.stringify(heard));
  };
  await until((message) => message.QMP);
  const send = (execute, id) => client.send(JSON.stringify({ execute, id }));
  send("qmp_capabilities", 1);
  await until((message) => message.id === 1);
  send("query-status", 2);
  await until((message) => message.id === 2 && message.return.status === "running");
  send("stop", 3);
  await until((message) => message.event === "STOP");
  await page.locator(".badge.remote", { hasText: "1 native client" }).waitFor();
  const gone = new Promise((resolve) => client.addEventListener("close", resolve));
  await page.getByRole("button", { name: "Take it back" }).click();
  await gone;
  await page.close();
});

const PYTHON = join(ROOT, "target/e2e-venv/bin/python");
/** A client of QEMU's own Python package: attaches, looks, stops, continues. */
const CLIENT = `
import asyncio, sys
from qemu.qmp import QMPClient
async def main():
    qmp = QMPClient("tab")
    await qmp.connect(sys.argv[1])
    for command in ("query-status", "stop", "query-status", "cont", "query-status"):
        answer = await qmp.execute(command)
        if answer:
            print(answer["status"])
    await qmp.disconnect()
asyncio.run(main())
`;

/** Whether a program ends well, and what it says. */
function run(program, ...args) {
  return new Promise((resolve) => execFile(program, args, { timeout: 60_000 }, (error, stdout, stderr) => resolve({ good: !error, stdout, stderr })));
}

test("Python's qemu.qmp drives the machine in the tab, and needs the token for it", async (t) => {
  if (!(await run(PYTHON, "-c", "import qemu.qmp")).good) return t.skip("qemu.qmp is not installed");
  const folder = await mkdtemp(join(tmpdir(), "ferrite-attach-"));
  const socket = join(folder, "qmp.sock");
  const { page } = await open("#machine=u-boot");
  await shows(page, "U-Boot");
  await page.getByRole("tab", { name: "Clients" }).click();
  await page.getByRole("button", { name: "Allow native clients" }).click();
  const address = await page.locator(".address").textContent();

  const refused = await run(FERRITE, "attach", address.replace(/offer=.*/, `offer=${"0".repeat(32)}`), `unix:${socket}`);
  assert.equal(refused.good, false);
  assert.match(refused.stderr, /the server refuses: 403 Forbidden/);

  const attach = spawn(FERRITE, ["attach", address, `unix:${socket}`], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => attach.stdout.once("data", resolve));
    const told = await run(PYTHON, "-c", CLIENT, socket);
    assert.equal(told.stdout, "running\npaused\nrunning\n", told.stderr);
    const again = await run(PYTHON, "-c", CLIENT, socket);
    assert.equal(again.stdout, "running\npaused\nrunning\n", again.stderr);
  } finally {
    attach.kill();
    await rm(folder, { recursive: true });
  }
  await page.close();
});

test("what cannot run is told in words", async () => {
  const { page } = await open(`#line=${encodeURIComponent("ferrite -M virt -kernel nowhere.Image")}`);
  await page.locator(".message", { hasText: "404" }).waitFor();
  await page.goto(`${server.url}#line=${encodeURIComponent("ferrite -M virt -device rtl8139")}`);
  await page.locator(".message", { hasText: "rtl8139" }).waitFor();
  await page.close();
});

test("a folder of the person's computer is read and written by the guest", async () => {
  const { page, errors } = await open("");
  // A folder of the origin's own stands in for the one that a person would pick.
  await page.evaluate(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle("picked", { create: true });
    const write = async (folder, name, text) => {
      const writer = await (await folder.getFileHandle(name, { create: true })).createWritable();
      await writer.write(text);
      await writer.close();
    };
    await write(root, "old.txt", "from outside\n");
    await write(root, "gone.txt", "to be removed\n");
    await write(await root.getDirectoryHandle("deep", { create: true }), "leaf.txt", "leaf\n");
    window.showDirectoryPicker = async () => root;
  });
  await page.getByRole("button", { name: "Start Debian’s full kernel with a shared folder" }).click();
  await shows(page, PROMPT);
  await page.getByRole("tab", { name: "Files" }).click();
  await page.getByRole("button", { name: "Share a folder of this computer" }).click();
  await shows(page, "is shared with the guest");
  await type(page, "mount -t 9p -o trans=virtio share /mnt && cd /mnt && cat old.txt deep/leaf.txt && echo seen-$?");
  await shows(page, "from outside\nleaf\nseen-0");
  await type(page, "echo new >deep/new.txt; echo changed >>old.txt; rm gone.txt; mkdir -p a/b; echo b >a/b/c; echo written-$?");
  await shows(page, "written-0");
  const found = async () => page.evaluate(async () => {
    const read = async (folder, path) => {
      const all = {};
      for await (const [name, handle] of folder) {
        if (handle.kind === "directory") Object.assign(all, await read(handle, `${path}${name}/`));
        else all[path + name] = await (await handle.getFile()).text();
      }
      return all;
    };
    return read(await window.showDirectoryPicker(), "");
  });
  const wanted = { "a/b/c": "b\n", "deep/leaf.txt": "leaf\n", "deep/new.txt": "new\n", "old.txt": "from outside\nchanged\n" };
  for (let n = 0; n < 40; n++) {
    if (JSON.stringify(Object.entries(await found()).sort()) === JSON.stringify(Object.entries(wanted).sort())) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.deepEqual(await found(), wanted);
  assert.deepEqual(errors, []);
  await page.close();
});
