// Disks of the page: what reads and writes their bytes.

import type { Source } from "../protocol";
import { get } from "./files";

/** Bytes by offset. Calls do not overlap: a disk's requests are carried out one by one. */
export interface Storage {
  readonly size: number;
  readonly readOnly: boolean;
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, data: Uint8Array): Promise<void>;
  flush(): Promise<void>;
}

/** Opens what a source has. */
export async function openStorage(source: Source): Promise<Storage> {
  switch (source.kind) {
    case "empty":
      return new MemoryDisk(new Uint8Array(source.size));
    case "local":
      return new FileDisk(source.file);
    case "url":
      return HttpDisk.open(source.url);
  }
}

/** A disk in memory; changes end with the page. */
export class MemoryDisk implements Storage {
  readonly readOnly = false;
  constructor(private readonly bytes: Uint8Array) {}
  get size(): number {
    return this.bytes.length;
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.slice(offset, offset + length);
  }
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.bytes.set(data, offset);
  }
  async flush(): Promise<void> {}
}

abstract class ReadOnly {
  readonly readOnly = true;
  async write(): Promise<void> {
    throw new Error("this disk can only be read");
  }
  async flush(): Promise<void> {}
}

/** A file that the person chose. The browser gives no leave to change it. */
export class FileDisk extends ReadOnly implements Storage {
  constructor(private readonly file: File) {
    super();
  }
  get size(): number {
    return this.file.size;
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    try {
      return new Uint8Array(await this.file.slice(offset, offset + length).arrayBuffer());
    } catch {
      throw new Error(`${this.file.name} has changed or is gone`);
    }
  }
}

/** Bytes that are fetched at once. */
const CHUNK = 256 << 10;
/** Chunks that are kept. */
const KEPT = 128;

/** A file on a server that answers range requests; only what the guest reads is fetched. */
export class HttpDisk extends ReadOnly implements Storage {
  /** Fetched chunks, the most recently used last. */
  private readonly chunks = new Map<number, Promise<Uint8Array>>();

  private constructor(
    private readonly url: string,
    readonly size: number,
    private readonly tag: string | null,
  ) {
    super();
  }

  static async open(url: string): Promise<Storage> {
    const response = await get(url, { headers: { Range: "bytes=0-0" }, cache: "no-store" });
    if (response.status === 404) throw new Error(`${url}: there is no such file`);
    if (response.status !== 206) {
      await response.body?.cancel();
      throw new Error(`${url}: the server does not answer range requests (status ${response.status})`);
    }
    const size = rangeOf(response)?.size;
    if (size === undefined) throw new Error(`${url}: the server does not tell the file's size`);
    return new HttpDisk(url, size, response.headers.get("etag"));
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    const first = Math.floor(offset / CHUNK);
    const last = Math.floor((offset + length - 1) / CHUNK);
    const wanted: Promise<Uint8Array>[] = [];
    for (let n = first; n <= last; n++) wanted.push(this.chunk(n));
    // Read ahead: what follows is likely wanted next. If it fails, whoever wants it asks again.
    if ((last + 1) * CHUNK < this.size) this.chunk(last + 1).catch(() => {});
    for (let n = first; n <= last; n++) {
      const chunk = await wanted[n - first]!;
      const start = Math.max(offset, n * CHUNK);
      const end = Math.min(offset + length, n * CHUNK + chunk.length);
      out.set(chunk.subarray(start - n * CHUNK, end - n * CHUNK), start - offset);
    }
    return out;
  }

  private chunk(n: number): Promise<Uint8Array> {
    const known = this.chunks.get(n);
    this.chunks.delete(n);
    const chunk = known ?? this.fetch(n);
    this.chunks.set(n, chunk);
    chunk.catch(() => this.chunks.delete(n));
    const oldest = this.chunks.keys().next();
    if (this.chunks.size > KEPT && !oldest.done) this.chunks.delete(oldest.value);
    return chunk;
  }

  private async fetch(n: number): Promise<Uint8Array> {
    const start = n * CHUNK;
    const end = Math.min(start + CHUNK, this.size) - 1;
    const response = await get(this.url, { headers: { Range: `bytes=${start}-${end}` } });
    if (response.status !== 206) throw new Error(`${this.url}: the server answers ${response.status}`);
    const range = rangeOf(response);
    const changed = this.tag !== null && response.headers.get("etag") !== this.tag;
    if (changed || (range && range.size !== this.size)) throw new Error(`${this.url}: the file on the server has changed`);
    if (range && range.start !== start) throw new Error(`${this.url}: the server sent another part of the file`);
    const bytes = await body(response, this.url);
    const wanted = end - start + 1;
    if (bytes.length !== wanted) throw new Error(`${this.url}: the server sent ${bytes.length} bytes instead of ${wanted}`);
    return bytes;
  }
}

/** What a `Content-Range` header says (RFC 9110, section 14.4). */
function rangeOf(response: Response): { start: number; size: number } | undefined {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  const [start, size] = [Number(range?.[1]), Number(range?.[2])];
  return Number.isSafeInteger(start) && Number.isSafeInteger(size) ? { start, size } : undefined;
}

async function body(response: Response, url: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch {
    throw new Error(`${url}: the connection ended in the middle of a read`);
  }
}
