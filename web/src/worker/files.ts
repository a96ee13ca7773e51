// Whole files: kernels, initial RAM disks, firmware.

import type { Source } from "../protocol";

/** Names of files lead to a source that the page gave, or to the guests' folder. */
export function sourceOf(path: string, sources: Record<string, Source>, guests: string): Source {
  return sources[path] ?? { kind: "url", url: new URL(path, guests).href };
}

export type Progress = (loaded: number, total: number | null) => void;

/** Reads a file whole. */
export async function readWhole(source: Source, progress: Progress): Promise<Uint8Array> {
  switch (source.kind) {
    case "empty":
      return new Uint8Array(source.size);
    case "local":
      return contents(source.file);
    case "url":
      return download(source.url, progress);
  }
}

/** What a chosen file holds. It may have changed since it was chosen, or be gone. */
export async function contents(file: File): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await file.arrayBuffer().catch(() => undefined);
  if (bytes?.byteLength !== file.size) throw new Error(`${file.name} has changed or is gone`);
  return new Uint8Array(bytes);
}

async function download(url: string, progress: Progress): Promise<Uint8Array> {
  const response = await get(url);
  if (!response.ok || !response.body) throw new Error(`${url}: the server answers ${response.status}`);
  // A compressed body has another length than the file.
  const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  const total = length === null ? null : Number(length);
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read().catch(() => cut(url, loaded, total));
    if (done) break;
    chunks.push(value);
    loaded += value.length;
    progress(loaded, total);
  }
  if (total !== null && loaded !== total) cut(url, loaded, total);
  const whole = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function cut(url: string, loaded: number, total: number | null): never {
  throw new Error(`${url}: the download ended after ${loaded}${total === null ? "" : ` of ${total}`} bytes`);
}

/** `fetch`, with an error that says what failed. */
export async function get(url: string, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch {
    const other = new URL(url).origin !== self.location.origin;
    const hint = other ? " (a server has to allow other pages by CORS headers)" : "";
    throw new Error(`${url}: the server cannot be reached${hint}`);
  }
}
