// The machine's disk requests, each disk's in their order.

import type { DiskRequest, Machine } from "../wasm/ferrite";
import type { Storage } from "./disk";

/** Bytes of an export that are read at once. */
const EXPORT = 1 << 20;

interface Pending {
  disk: number;
  tag: bigint;
  run: () => Promise<Uint8Array>;
}

export interface OpenDisk {
  path: string;
  storage: Storage;
}

const NOTHING = new Uint8Array();

/** What an error says. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Carries out what the machine asks of its disks. */
export class Disks {
  private readonly tails: Promise<void>[];
  /** Requests that failed and wait for the person's word. */
  private stuck: { pending: Pending; why: string }[] = [];

  constructor(
    private readonly machine: Machine,
    readonly all: OpenDisk[],
    /** Called when an answer is there. */
    private readonly news: () => void,
    /** Called when a request has failed. */
    private readonly trouble: (path: string, why: string) => void,
  ) {
    this.tails = all.map(() => Promise.resolve());
  }

  /** Takes what the machine has asked since the last call. */
  pump(): void {
    for (let request = this.machine.disk_request(); request; request = this.machine.disk_request()) {
      const pending = { disk: request.disk, tag: request.tag, run: this.work(request) };
      request.free();
      this.queue(pending.disk, () => this.carryOut(pending));
    }
  }

  private queue(disk: number, task: () => Promise<void>): void {
    this.tails[disk] = this.tails[disk]!.then(task);
  }

  private work(request: DiskRequest): () => Promise<Uint8Array> {
    const storage = this.all[request.disk]!.storage;
    const { kind, offset, length } = request;
    switch (kind) {
      case "read":
        return () => storage.read(offset, length);
      case "write": {
        const data = request.data();
        return () => storage.write(offset, data).then(() => NOTHING);
      }
      case "zero":
        return () => storage.write(offset, new Uint8Array(length)).then(() => NOTHING);
      case "flush":
        return () => storage.flush().then(() => NOTHING);
      default:
        // A discard may be ignored.
        return async () => NOTHING;
    }
  }

  private async carryOut(pending: Pending): Promise<void> {
    try {
      this.machine.disk_done(pending.disk, pending.tag, await pending.run());
      this.news();
    } catch (error) {
      const why = textOf(error);
      this.stuck.push({ pending, why });
      this.trouble(this.all[pending.disk]!.path, why);
    }
  }

  /** Tries again what has failed. */
  retry(): void {
    for (const { pending } of this.takeStuck()) this.queue(pending.disk, () => this.carryOut(pending));
  }

  /** Lets the guest see the failures. */
  fail(): void {
    for (const { pending, why } of this.takeStuck()) this.machine.disk_failed(pending.disk, pending.tag, why);
    this.news();
  }

  private takeStuck() {
    const stuck = this.stuck;
    this.stuck = [];
    return stuck;
  }

  /** The disk as the guest has it now. */
  export(path: string, then: (blob: Blob) => void, failed: (why: string) => void): void {
    const disk = this.all.findIndex((open) => open.path === path);
    if (disk < 0) return;
    const { storage } = this.all[disk]!;
    const read = async () => {
      const parts: BlobPart[] = [];
      for (let at = 0; at < storage.size; at += EXPORT) {
        const part = await storage.read(at, Math.min(EXPORT, storage.size - at));
        parts.push(new Uint8Array(part));
      }
      then(new Blob(parts));
    };
    this.queue(disk, () => read().catch((error: unknown) => failed(textOf(error))));
  }
}
