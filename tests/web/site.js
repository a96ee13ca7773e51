// A server that knows nothing of Ferrite: no headers that isolate a page.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";

const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

/** Serves these pages by their paths, and the file that `file` names for any other path. */
export async function site(pages, file) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    if (pages[path]) return response.setHeader("Content-Type", "text/html").end(pages[path]);
    const name = file(path);
    const found = await stat(name).catch(() => null);
    if (!found?.isFile()) return response.writeHead(404).end();
    response.setHeader("Content-Type", TYPES[extname(name)] ?? "application/octet-stream");
    createReadStream(name).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
