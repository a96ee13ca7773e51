// The page's QMP client has the same conversation with QEMU as with the machine in its tab.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { browser } from "./page.js";
import { site } from "./site.js";

const ROOT = new URL("../..", import.meta.url).pathname;

/** The machine, to both. */
const LINE = "-M virt -cpu cortex-a57 -smp 2 -m 64 -name twin -S -uuid 00112233-4455-6677-8899-aabbccddeeff";

const PAGE = `<!doctype html><meta charset="utf-8"><title>Two machines</title>
<script type="module">
  import { Machine } from "./dist/ferrite.js";
  window.machine = new Machine({ line: "ferrite ${LINE} -nographic", files: {} });
</script>`;

/** What the client asks, one after the other. */
const SCRIPT = [
  ["query-status"],
  ["query-name"],
  ["query-uuid"],
  ["query-kvm"],
  ["query-target"],
  ["query-cpus-fast"],
  ["query-memory-size-summary"],
  ["query-gic-capabilities"],
  ["query-jobs"],
  ["qom-get", { path: "/machine", property: "nope" }],
  ["qom-get", { path: "/nowhere", property: "type" }],
  ["qom-list", { path: "/nowhere" }],
  ["ringbuf-read", { device: "nobody", size: 1 }],
  ["query-cpu-model-expansion", { type: "full", model: { name: "cortex-a57" } }],
  ["query-cpu-model-expansion", { type: "full", model: { name: "nonsense" } }],
  ["no-such-command"],
  ["stop", { x: 1 }],
  ["memsave", { val: 0 }],
  ["set-action", { reboot: "shutdown", panic: "none" }],
  ["human-monitor-command", { "command-line": "print 6*7" }],
  ["cont"],
  ["query-status"],
  ["stop"],
  ["query-status"],
];

/** Members whose values differ by nature, or that a later QEMU has no more. */
const BLANKED = new Set(["thread-id", "qom-path", "singlestep"]);

let strange;
let chrome;
let folder;
let qemu;

before(async () => {
  strange = await site({ "/": PAGE }, (path) => join(ROOT, "web/package", path));
  folder = await mkdtemp(join(tmpdir(), "ferrite-qmp-"));
  const monitor = ["-nodefaults", "-display", "none", "-qmp", `unix:${folder}/qmp,server=on,wait=off`];
  qemu = spawn("qemu-system-aarch64", [...LINE.split(" "), ...monitor], { stdio: "ignore" });
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  strange?.close();
  qemu?.kill();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** QEMU's monitor, once it listens. */
async function monitor() {
  for (let tries = 0; ; tries++) {
    const socket = connect(join(folder, "qmp"));
    const connected = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    if (connected) return socket;
    assert.ok(tries < 100, "QEMU does not listen");
    await sleep(100);
  }
}

/** The values without what differs by nature; types of machines have versions of their own. */
function normal(value) {
  if (Array.isArray(value)) return value.map(normal).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value === "string") return value.replaceAll(/virt-\d+\.\d+/g, "virt");
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(([name]) => !BLANKED.has(name));
  return Object.fromEntries(members.sort().map(([name, member]) => [name, normal(member)]));
}

test("the page's client sees no difference between QEMU and the machine in the tab", async () => {
  const page = await chrome.context.newPage();
  const socket = await monitor();
  await page.exposeFunction("toQemu", (text) => void socket.write(text));
  await page.goto(strange.url);
  await page.waitForFunction(() => window.machine);
  await page.evaluate(async () => {
    await window.machine.started;
    const ours = window.machine.qmp();
    // The same class, at a port that leads to QEMU.
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = ({ data }) => window.toQemu(data);
    window.fromQemu = (text) => port2.postMessage(text);
    const theirs = new ours.constructor(port1);
    window.clients = { ours, theirs };
  });
  const lines = createInterface({ input: socket });
  lines.on("line", (line) => page.evaluate((text) => window.fromQemu(text), line));
  const transcript = (name) =>
    page.evaluate(
      async ([name, script]) => {
        const client = window.clients[name];
        const events = [];
        client.onEvent = ({ event }) => events.push(event);
        const answers = [];
        for (const [command, args] of script) {
          answers.push(
            await client.ask(command, args).then(
              (value) => ({ return: value }),
              ({ error }) => ({ error }),
            ),
          );
        }
        return { answers, events };
      },
      [name, SCRIPT],
    );
  const [ours, theirs] = [await transcript("ours"), await transcript("theirs")];
  assert.equal(ours.answers.length, SCRIPT.length);
  const told = ({ answers }) => SCRIPT.map((asked, n) => [asked, normal(answers[n])]);
  assert.deepEqual(told(ours), told(theirs));
  assert.deepEqual(ours.events, theirs.events);
  assert.deepEqual(ours.events, ["RESUME", "STOP"]);
  lines.close();
  socket.destroy();
  await page.close();
});
