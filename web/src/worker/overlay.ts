// A disk's changes, kept in this browser's private file system (OPFS).
//
// `data` has changed clusters at the disk's own offsets; `map` tells which there are: a header, and
// a bit per cluster. A cluster's bytes are written before its bit.

import { FOLDER, plain } from "../machine/changes";
import type { Storage } from "./disk";

/** Bytes that are kept or not as a whole. */
const CLUSTER = 4096;
const MAGIC = "FERRITE1";
const HEADER = 16;
/** How often a handle that an ending worker still has is asked for again, and the pause between. */
const TRIES = 20;
const PAUSE_MS = 100;

/** Whether this browser can keep changes. */
export function canKeep(): boolean {
  return typeof FileSystemFileHandle !== "undefined" && "createSyncAccessHandle" in FileSystemFileHandle.prototype;
}

async function folder(machine: string, disk: string): Promise<FileSystemDirectoryHandle> {
  let at = await navigator.storage.getDirectory();
  for (const name of [FOLDER, plain(machine), plain(disk)]) {
    at = await at.getDirectoryHandle(name, { create: true });
  }
  return at;
}

async function open(dir: FileSystemDirectoryHandle, name: string): Promise<FileSystemSyncAccessHandle> {
  const file = await dir.getFileHandle(name, { create: true });
  for (let tried = 1; ; tried++) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      if (tried === TRIES) {
        const busy = error instanceof DOMException && error.name === "NoModificationAllowedError";
        throw busy ? new Error("another tab runs this machine with the same disk") : error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Another storage with changes on top. */
export class Overlay implements Storage {
  readonly readOnly = false;
  private constructor(
    private readonly base: Storage,
    private readonly data: FileSystemSyncAccessHandle,
    private readonly map: FileSystemSyncAccessHandle,
    private readonly bits: Uint8Array<ArrayBuffer>,
  ) {}

  get size(): number {
    return this.base.size;
  }

  static async open(base: Storage, machine: string, disk: string): Promise<Overlay> {
    const dir = await folder(machine, disk);
    const data = await open(dir, "data");
    const map = await open(dir, "map");
    const bits = new Uint8Array(Math.ceil(base.size / CLUSTER / 8));
    const header = headerFor(base.size);
    const found = new Uint8Array(HEADER);
    if (map.getSize() === HEADER + bits.length && map.read(found, { at: 0 }) === HEADER && equal(found, header)) {
      map.read(bits, { at: HEADER });
    } else {
      // New, or of a disk of another size.
      data.truncate(0);
      map.truncate(0);
      put(map, header, 0);
      put(map, bits, HEADER);
      map.flush();
    }
    return new Overlay(base, data, map, bits);
  }

  private has(cluster: number): boolean {
    return ((this.bits[cluster >> 3]! >> (cluster & 7)) & 1) !== 0;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    for (const { cluster, at, end } of this.runs(offset, length)) {
      const into = out.subarray(at - offset, end - offset);
      if (this.has(cluster)) this.data.read(into, { at });
      else into.set(await this.base.read(at, end - at));
    }
    return out;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (const { cluster, at, end } of this.runs(offset, bytes.length)) {
      for (let n = cluster; n * CLUSTER < end; n++) await this.fill(n, at, end);
      const part = bytes.subarray(at - offset, end - offset);
      put(this.data, part, at);
      this.mark(cluster, end);
    }
  }

  /** Notes that the clusters up to byte `end` are kept now. A guest may never ask for a flush. */
  private mark(cluster: number, end: number): void {
    const first = cluster >> 3;
    const last = (Math.ceil(end / CLUSTER) - 1) >> 3;
    const news = this.bits.slice(first, last + 1);
    let any = false;
    for (let n = cluster; n * CLUSTER < end; n++) {
      any ||= !this.has(n);
      news[(n >> 3) - first]! |= 1 << (n & 7);
    }
    if (!any) return;
    // A cluster is there once the file says so, not before.
    put(this.map, news, HEADER + first);
    this.bits.set(news, first);
  }

  /** Copies what a write leaves of a cluster that is not there yet. */
  private async fill(cluster: number, from: number, to: number): Promise<void> {
    const start = cluster * CLUSTER;
    const end = Math.min(start + CLUSTER, this.size);
    if (this.has(cluster) || (from <= start && end <= to)) return;
    const old = await this.base.read(start, end - start);
    put(this.data, old, start);
  }

  async flush(): Promise<void> {
    // Clusters before what says that they are there.
    this.data.flush();
    this.map.flush();
  }

  /** Neighbouring clusters that are all kept, or all not. */
  private *runs(offset: number, length: number): Generator<{ cluster: number; at: number; end: number }> {
    const stop = offset + length;
    for (let at = offset; at < stop; ) {
      const cluster = Math.floor(at / CLUSTER);
      const kept = this.has(cluster);
      let next = cluster + 1;
      while (next * CLUSTER < stop && this.has(next) === kept) next++;
      const end = Math.min(next * CLUSTER, stop);
      yield { cluster, at, end };
      at = end;
    }
  }
}

/** Writes all of it. */
function put(file: FileSystemSyncAccessHandle, bytes: Uint8Array, at: number): void {
  let written = 0;
  try {
    written = file.write(bytes as Uint8Array<ArrayBuffer>, { at });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "QuotaExceededError")) throw error;
  }
  if (written !== bytes.length) throw new Error("this browser has no room left for changes to the disk");
}

function headerFor(size: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(HEADER);
  header.set(new TextEncoder().encode(MAGIC));
  new DataView(header.buffer).setBigUint64(8, BigInt(size), true);
  return header;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, n) => byte === b[n]);
}
