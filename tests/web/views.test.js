// Every view of the page: no serious fault for those who do not see it, and nothing that is cut off.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, browser, qmp, serve, shows } from "./page.js";

const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };

let server;

before(async () => {
  server = await serve();
});
after(() => server?.close());

for (const [name, options] of [
  ["dark", { ...DESK, colorScheme: "dark" }],
  ["light", { ...DESK, colorScheme: "light" }],
  ["on a phone", { ...PHONE, colorScheme: "dark" }],
]) {
  test(`every view is accessible, ${name}`, async () => {
    const chrome = await browser(options);
    try {
      const page = await chrome.context.newPage();
      await page.goto(server.url);
      await page.getByRole("heading", { name: "Bring your own" }).waitFor();
      await accessible(page);
      await page.goto(`${server.url}#machine=u-boot`);
      await shows(page, "autoboot");
      await accessible(page);
      for (const tab of await page.getByRole("tab").all()) {
        await tab.click();
        const panel = page.getByRole("tabpanel", { name: await tab.textContent() });
        if ((await tab.textContent()) === "QMP") {
          await qmp(page, "query-status");
          await page.getByLabel("QMP command").pressSequentially("query-b");
          await page.keyboard.press("ArrowDown");
          // What the command takes and gives is to be seen beside the suggestions.
          await page.locator(".qmp-help", { hasText: "→" }).waitFor();
          const [help, list] = await Promise.all([".qmp-help", ".qmp-suggestions"].map((part) => page.locator(part).boundingBox()));
          assert.ok(help.y + help.height <= list.y + 1, "the suggestions cover the help");
        }
        if ((await tab.textContent()) === "Objects") await panel.getByRole("treeitem", { name: "machine" }).waitFor();
        if ((await tab.textContent()) === "Clients") await panel.getByRole("button", { name: "Allow native clients" }).click();
        await accessible(page);
      }
      const [bar, last] = await Promise.all([page.getByRole("tablist"), page.getByRole("tab").last()].map((part) => part.boundingBox()));
      if (options.isMobile) assert.ok(await page.getByRole("tablist").evaluate((list) => getComputedStyle(list).overflowX === "auto"));
      else assert.ok(last.x + last.width <= bar.x + bar.width + 1, "tabs are cut off");
    } finally {
      await chrome.close();
    }
  });
}
