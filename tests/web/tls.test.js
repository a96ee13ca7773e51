// The page by TLS, and a native client that attaches by it. The certificate is made here.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FERRITE, browser, serve, shows, type } from "./page.js";

const TOKEN = "0123456789abcdef";

let folder;
let chrome;
let server;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ferrite-tls-"));
  execFileSync("openssl", [
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(" "),
    ..."-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem".split(" "),
  ], { cwd: folder, stdio: "ignore" });
  server = await serve("-tls-cert", join(folder, "cert.pem"), "-tls-key", join(folder, "key.pem"), "-token", TOKEN);
  // Nobody vouches for the certificate, which a person would have to accept.
  chrome = await browser({ ignoreHTTPSErrors: true });
});
after(async () => {
  await chrome?.close();
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

test("a machine runs in a page that came by TLS, and a native client attaches by it", async () => {
  assert.match(server.url, /^https:.*token=/);
  const page = await chrome.context.newPage();
  await page.goto(`${server.url}#machine=u-boot`);
  assert.equal(await page.evaluate(() => isSecureContext && crossOriginIsolated), true);
  await shows(page, "autoboot");
  await type(page, "");
  await shows(page, "=>");

  await page.getByRole("tab", { name: "Clients" }).click();
  await page.getByRole("button", { name: "Allow native clients" }).click();
  const address = await page.locator("code.address").textContent();
  assert.match(address, /^wss:/);
  const socket = join(folder, "qmp.sock");
  const client = spawn(FERRITE, ["attach", address, `unix:${socket}`, join(folder, "cert.pem")]);
  try {
    await new Promise((resolve, reject) => {
      client.stdout.once("data", resolve);
      client.stderr.once("data", (text) => reject(new Error(String(text))));
    });
    const greeting = await new Promise((resolve, reject) => connect(socket).once("data", resolve).once("error", reject));
    assert.match(String(greeting), /"QMP"/);
  } finally {
    client.kill();
  }
  await page.close();
});

test("the server is not open to the network without a token and TLS", () => {
  const listen = (...options) => spawnSync(FERRITE, ["serve", "-listen", "0.0.0.0:0", ...options], { encoding: "utf8" });
  assert.match(listen().stderr, /-token is needed/);
  assert.match(listen("-token", TOKEN).stderr, /-tls-cert and -tls-key are needed/);
});

test("who speaks no TLS gets no answer", async () => {
  const { port } = new URL(server.url);
  const answer = await new Promise((resolve) => {
    let text = "";
    const socket = connect(Number(port), "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    socket.on("data", (data) => (text += data.toString("latin1")));
    socket.on("error", () => resolve(text)).on("close", () => resolve(text));
  });
  assert.doesNotMatch(answer, /HTTP/);
});
