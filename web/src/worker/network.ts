// The guest's HTTP requests, carried by `fetch`. What may be fetched is the browser's to say: other
// servers have to allow this page by CORS headers.

import type { Machine } from "../wasm/ferrite";

/** Names that mean the server of this page. */
const PAGE_NAMES = ["page", "page.local", "10.0.2.2"];
/** Largest answer. */
const MAX_BODY = 256 << 20;
/** Statuses that have no body. */
const BODILESS = [204, 205, 304];
/** Headers of an answer that no longer hold for the body as the browser gives it. */
const DROPPED = ["connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"];

interface Head {
  method: string;
  host: string;
  path: string;
  headers: [string, string][];
}

/** Starts what the guest has asked for since the last call; `news` is called with each answer. */
export function pumpFetches(machine: Machine, news: () => void): void {
  for (let request = machine.fetch_request(); request; request = machine.fetch_request()) {
    const { id } = request;
    const head = JSON.parse(request.head()) as Head;
    const body = request.body();
    request.free();
    void answer(head, new Uint8Array(body)).then((response) => {
      machine.fetch_done(id, response);
      news();
    });
  }
}

async function answer(head: Head, body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  try {
    const response = await fetch(address(head), {
      method: head.method,
      headers: head.headers,
      credentials: "omit",
      ...(body.length > 0 && { body }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > MAX_BODY) return message(502, "Too Large", [], "the answer is too large");
    const headers = [...response.headers].filter(([name]) => !DROPPED.includes(name));
    return message(response.status, response.statusText, headers, BODILESS.includes(response.status) ? "" : bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return message(502, "Bad Gateway", [], `the browser could not fetch this: ${why}\n`);
  }
}

function address({ host, path }: Head): string {
  const name = host.replace(/:80$/, "");
  if (PAGE_NAMES.includes(name)) return new URL(path, self.location.origin).href;
  // A page that came encrypted may not fetch otherwise, and servers that allow other pages are.
  return `https://${name}${path}`;
}

function message(status: number, reason: string, headers: [string, string][], body: string | Uint8Array): Uint8Array {
  const encoder = new TextEncoder();
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const lines = [`HTTP/1.1 ${status} ${reason}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  const head = encoder.encode([...lines, `content-length: ${bytes.length}`, "connection: close", "", ""].join("\r\n"));
  const whole = new Uint8Array(head.length + bytes.length);
  whole.set(head);
  whole.set(bytes, head.length);
  return whole;
}
