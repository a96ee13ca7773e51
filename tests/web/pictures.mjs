// Takes the pictures of the page that the README shows.
//
//   npm run pictures

import { browser, qmp, serve, shows, type } from "./page.js";

const INTO = new URL("../../web/pictures/", import.meta.url).pathname;
const PROMPT = "ferrite:/root#";

const server = await serve();
const chrome = await browser();
try {
  const page = await chrome.context.newPage();
  const picture = (name) => page.screenshot({ path: `${INTO}${name}.png` });
  await page.goto(server.url);
  const start = page.getByRole("button", { name: "Start Debian kernel on four processors" });
  await start.waitFor();
  await picture("gallery");

  await start.click();
  await shows(page, PROMPT);
  await type(page, "nproc; uname -a");
  await shows(page, "aarch64");
  await page.getByRole("tab", { name: "Figures" }).click();
  await type(page, "for n in 1 2 3; do (while :; do :; done) & done; sleep 3; kill $(jobs -p)");
  await page.waitForTimeout(3000);
  await picture("machine");

  await qmp(page, "query-status");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator(".qmp-entry.event", { hasText: "STOP" }).waitFor();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator(".qmp-entry.event", { hasText: "RESUME" }).waitFor();
  await page.getByLabel("QMP command").pressSequentially("query-cp");
  await page.getByRole("option").first().waitFor();
  await page.keyboard.press("ArrowDown");
  await picture("qmp");
} finally {
  await chrome.close();
  server.close();
}
