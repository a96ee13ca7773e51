// The guest's way out of the tab: by the server's relay, and to the machine of another tab.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { browser, serve, shows, type } from "./page.js";

const PROMPT = "ferrite:/root#";
const LINE = `ferrite -M virt -cpu cortex-a57 -m 256 -nographic -kernel cloud-6.1.Image -initrd cloud-6.1.cpio -append "console=ttyAMA0 quiet"`;
/** More than the relay lets be on the way at once. */
const LONG = 1 << 20;

let server;
let chrome;
let tcp;
let udp;

before(async () => {
  tcp = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    let heard = "";
    socket.on("data", (data) => (heard += data));
    socket.on("end", () => socket.end(heard.startsWith("long") ? Buffer.alloc(LONG, "x") : `heard: ${heard}`));
  });
  await new Promise((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  // As much of TFTP (RFC 1350) as it takes to give a file of one block away.
  udp = createSocket("udp4", (message, { port, address }) => {
    if (message[1] === 1) udp.send(Buffer.concat([Buffer.from([0, 3, 0, 1]), Buffer.from("heard: hello by udp\n")]), port, address);
  });
  await new Promise((resolve) => udp.bind(0, "127.0.0.1", resolve));
  server = await serve("-net", `127.0.0.1:${tcp.address().port}`, "-net", `127.0.0.1:${udp.address().port}`, "-net-rate", "4096");
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  server?.close();
  tcp?.close();
  udp?.close();
});

async function open(to, line, more = {}) {
  const page = await chrome.context.newPage();
  await page.goto(`${to.url}#${new URLSearchParams({ line, ...more })}`);
  return page;
}

test("a guest reaches what the server lets it, and nothing else", async () => {
  const page = await open(server, `${LINE} -netdev user,id=n -device virtio-net-device,netdev=n`, { net: "server" });
  await shows(page, PROMPT);
  await type(page, "ip link set eth0 up && udhcpc -n -q -t 10 -i eth0 >/dev/null 2>&1; ip -4 addr show eth0");
  await shows(page, "10.0.2.15", 60_000);
  const port = tcp.address().port;
  await type(page, `echo hello by tcp | nc 10.0.2.2 ${port}`);
  await shows(page, "heard: hello by tcp", 30_000);
  await type(page, `echo long | nc 10.0.2.2 ${port} | wc -c`);
  await shows(page, `\n${LONG}`, 60_000);
  await type(page, `tftp -g -l got -r hello 10.0.2.2 ${udp.address().port}; cat got`);
  await shows(page, "heard: hello by udp", 30_000);
  // A port that no rule names.
  await type(page, `nc -w 5 10.0.2.2 ${new URL(server.url).port} </dev/null || echo turned away`);
  await shows(page, "\nturned away", 30_000);
  await page.close();
});

test("a server that was not told to relays nothing, and says so", async () => {
  const other = await serve();
  const page = await open(other, "ferrite -M virt -m 256 -nographic -bios u-boot.bin -netdev user,id=n -device virtio-net-device,netdev=n", { net: "server" });
  await shows(page, "no guests to the network");
  await page.locator(".badge", { hasText: "running" }).waitFor();
  await page.close();
  other.close();
});

test("guests of two tabs on one segment reach each other", async () => {
  const pages = [];
  for (const n of [1, 2]) {
    const segment = `-netdev socket,id=n,mcast=230.0.0.1:1234 -device virtio-net-device,netdev=n,mac=52:54:00:00:00:0${n}`;
    pages.push(await open(server, `${LINE} ${segment}`));
  }
  for (const [n, page] of pages.entries()) {
    await page.bringToFront();
    await shows(page, PROMPT);
    await type(page, `ifconfig eth0 192.168.7.${n + 1} up; echo up`);
    await shows(page, "\nup");
  }
  for (const [n, page] of pages.entries()) {
    await page.bringToFront();
    await type(page, `ping -c 3 192.168.7.${2 - n}`);
    const text = await shows(page, "packets received", 60_000);
    assert.match(text, /3 packets received/);
  }
  for (const page of pages) await page.close();
});
