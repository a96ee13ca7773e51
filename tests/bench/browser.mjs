// From the click to the shell, in one run of one browser: Ferrite's page, and v86 with a kernel for PCs;
// and native Ferrite beside them.
//
//   node tests/bench/browser.mjs FOLDER [RUNS]
//
// The folder has `libv86.mjs`, `v86.wasm`, `bios`, `vgabios`, `kernel` and `initrd`, as `cargo xtask bench
// browser` puts them there. Everything is cached before it measures.

import { spawn } from "node:child_process";
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { browser, screen, serve } from "../web/page.js";

const ROOT = new URL("../..", import.meta.url).pathname;
const [folder, runs = "3"] = process.argv.slice(2);
/** What the shell of each guest begins its line with. */
const PROMPT = "ferrite:/root#";
const PATIENCE_MS = 300_000;
const NATIVE = [
  "-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "512", "-nographic",
  "-kernel", "cloud-6.1.Image", "-initrd", "cloud-6.1.cpio", "-append", "console=ttyAMA0 quiet",
];

const V86_PAGE = `<!doctype html><meta charset="utf-8"><title>v86</title>
<div id="screen"><div></div><canvas></canvas></div><button>Start</button>
<script type="module">
  import { V86 } from "/libv86.mjs";
  document.querySelector("button").onclick = () => {
    window.text = "";
    const emulator = new V86({
      wasm_path: "/v86.wasm", bios: { url: "/bios" }, vga_bios: { url: "/vgabios" },
      bzimage: { url: "/kernel" }, initrd: { url: "/initrd" }, cmdline: "console=ttyS0 quiet",
      memory_size: 512 << 20, vga_memory_size: 2 << 20, autostart: true,
      screen_container: document.getElementById("screen"),
    });
    emulator.add_listener("serial0-output-byte", (byte) => (window.text += String.fromCharCode(byte)));
  };
</script>`;

/** Serves v86's page and what it loads. */
function host() {
  const types = { mjs: "text/javascript", wasm: "application/wasm" };
  const site = createServer((request, response) => {
    if (request.url === "/") return response.setHeader("Content-Type", "text/html").end(V86_PAGE);
    const file = join(folder, new URL(request.url, "http://page").pathname);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) return response.writeHead(404).end();
    const type = types[file.split(".").at(-1)] ?? "application/octet-stream";
    response.writeHead(200, { "Content-Type": type, "Content-Length": size, "Cache-Control": "max-age=3600" });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => site.listen(0, "127.0.0.1", () => resolve(site)));
}

/** Milliseconds from `start` until `text` returns what has the prompt. */
async function untilPrompt(start, text) {
  for (;;) {
    const now = await text();
    if (now.includes(PROMPT)) return performance.now() - start;
    if (performance.now() - start > PATIENCE_MS) throw new Error(`there is no prompt in:\n${now.slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function clicked(chrome, url, name, text) {
  const page = await chrome.context.newPage();
  await page.goto(url);
  const button = page.getByRole("button", { name, exact: true });
  await button.waitFor();
  const start = performance.now();
  await button.click();
  const took = await untilPrompt(start, () => text(page));
  await page.close();
  return took;
}

async function native() {
  const start = performance.now();
  const child = spawn(process.env.FERRITE ?? join(ROOT, "target/release/ferrite"), NATIVE, {
    cwd: join(ROOT, "target/playground/guests"),
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data) => (text += data));
  const took = await untilPrompt(start, async () => text);
  child.kill("SIGKILL");
  return took;
}

const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1] / 1000;

const site = await host();
const server = await serve();
const chrome = await browser();
try {
  const v86 = `http://127.0.0.1:${site.address().port}/`;
  const systems = [
    ["v86", () => clicked(chrome, v86, "Start", (page) => page.evaluate(() => window.text))],
    ["Ferrite in the tab", () => clicked(chrome, server.url, "Start Debian kernel and BusyBox", screen)],
    ["native Ferrite", native],
  ];
  const times = systems.map(() => []);
  // The first round fills the caches.
  for (let round = 0; round <= Number(runs); round++) {
    for (const [n, [, measure]] of systems.entries()) {
      const took = await measure();
      if (round > 0) times[n].push(took);
    }
  }
  const [theirs, ours, base] = times.map(median);
  for (const [n, [name]] of systems.entries()) {
    console.log(`${name.padEnd(20)} ${median(times[n]).toFixed(1).padStart(6)} s   of ${times[n].map((ms) => (ms / 1000).toFixed(1)).join(", ")}`);
  }
  console.log(`in the tab: ${(ours / theirs).toFixed(2)} of v86's time, ${(ours / base).toFixed(1)} times native`);
} finally {
  await chrome.close();
  server.close();
  site.close();
}
