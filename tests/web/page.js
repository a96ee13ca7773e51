// The page in Debian's Chromium, and the server under test.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ROOT = new URL("../..", import.meta.url).pathname;

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** The browser, with a profile of its own that ends with it. */
export async function browser(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), "ferrite-web-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  context.setDefaultTimeout(30_000);
  return {
    context,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** The program under test. */
export const FERRITE = process.env.FERRITE ?? join(ROOT, "target/release/ferrite");

/** `ferrite serve` on a free port. */
export async function serve(...options) {
  const child = spawn(
    FERRITE,
    ["serve", "-listen", "127.0.0.1:0", "-page", join(ROOT, "web/dist"), "-guests", join(ROOT, "target/playground/guests"), ...options],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const url = await new Promise((resolve, reject) => {
    child.stdout.once("data", (text) => resolve(String(text).trim()));
    child.once("exit", (code) => reject(new Error(`ferrite serve ended with ${code}`)));
  });
  return { url, close: () => child.kill() };
}

/** What the terminal shows, rows joined by line ends. */
export function screen(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll(".xterm-accessibility-tree > *")].map((row) => row.textContent.replaceAll("\u00a0", " ").trimEnd()).join("\n"),
  );
}

/** Waits until the terminal shows a text. */
export async function shows(page, text, ms = 150_000) {
  const end = Date.now() + ms;
  for (;;) {
    const now = await screen(page);
    if (now.includes(text)) return now;
    const problem = await page.locator(".message:not([hidden])").textContent({ timeout: 100 }).catch(() => null);
    if (problem || Date.now() > end) throw new Error(`the terminal does not show "${text}" but:\n${now}\n${problem ?? ""}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Types a line into the terminal. */
export async function type(page, line) {
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type(line, { delay: 5 });
  await page.keyboard.press("Enter");
}

/** Has axe-core look at the page, which is to have no serious fault. */
export async function accessible(page) {
  // The page's policy lets no foreign script in; evaluation by the debugger is not bound by it.
  await page.evaluate(await readFile(AXE, "utf8"));
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const bad = result.violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  assert.deepEqual(bad.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), []);
}

/** Types a command into the QMP console, and waits for one more answer than there was. */
export async function qmp(page, line) {
  await page.getByRole("tab", { name: "QMP" }).click();
  const answers = page.locator(".qmp-entry.answer, .qmp-entry.error");
  const before = await answers.count();
  await page.getByLabel("QMP command").fill(line);
  await page.getByLabel("QMP command").press("Enter");
  await answers.nth(before).waitFor();
  return answers.nth(before).textContent();
}
