// A phone, and a page that is not isolated from others.

import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, qmp, serve, shows, type } from "./page.js";

test("without cross-origin isolation, at a phone's size, the machine runs all the same", async () => {
  const server = await serve("-no-isolation");
  const chrome = await browser({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
  try {
    const page = await chrome.context.newPage();
    await page.goto(`${server.url}#machine=u-boot`);
    assert.equal(await page.evaluate(() => crossOriginIsolated), false);
    await shows(page, "autoboot");
    await type(page, "");
    await shows(page, "=>");
    await page.getByRole("button", { name: "Pipe" }).tap();
    await page.getByRole("button", { name: "Control C" }).tap();
    await type(page, "echo on-a-phone");
    await shows(page, "\non-a-phone");
    assert.match(await qmp(page, "query-status"), /running/);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `the page is ${wide} pixels too wide`);
  } finally {
    await chrome.close();
    server.close();
  }
});
