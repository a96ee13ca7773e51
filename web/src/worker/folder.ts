// A folder of the person's own computer, shared with the guest (File System Access).
//
// The guest works on a copy in memory, taken when the folder is chosen; what it changes is written back
// file by file. The browser replaces a file when all of it is there, so that none is ever half written.

import type { Machine } from "../wasm/ferrite";
import { contents } from "./files";
import { textOf } from "./disks";

/** Milliseconds between looks at what the guest has changed. */
const LOOK_MS = 500;

interface Entry {
  path: string;
  directory: boolean;
  size: number;
  /** Differs after every change. */
  version: number;
}

/** Shares a folder that the person chose. */
export class LocalFolder {
  /** What is written back, by path. */
  private readonly known = new Map<string, Entry>();
  private changes = -1;
  /** Failures that were told. */
  private readonly told = new Set<string>();
  private busy = Promise.resolve();

  private constructor(
    private readonly machine: Machine,
    private readonly root: FileSystemDirectoryHandle,
    private readonly notice: (text: string) => void,
  ) {}

  /** Copies the folder to the guest, and follows what the guest does with it. */
  static async share(machine: Machine, root: FileSystemDirectoryHandle, notice: (text: string) => void): Promise<LocalFolder> {
    const folder = new LocalFolder(machine, root, notice);
    await folder.read(root, "");
    setInterval(() => (folder.busy = folder.busy.then(() => folder.look())), LOOK_MS);
    return folder;
  }

  private entries(): Map<string, Entry> {
    const entries = JSON.parse(this.machine.share_tree()) as Entry[];
    return new Map(entries.map((entry) => [entry.path, entry]));
  }

  private async read(directory: FileSystemDirectoryHandle, path: string): Promise<void> {
    for await (const [name, handle] of directory as unknown as AsyncIterable<[string, FileSystemHandle]>) {
      const at = path + name;
      if (handle.kind === "directory") {
        this.machine.share_make(at);
        this.known.set(at, { path: at, directory: true, size: 0, version: this.machine.share_version(at) });
        await this.read(handle as FileSystemDirectoryHandle, `${at}/`);
      } else {
        const bytes = await contents(await (handle as FileSystemFileHandle).getFile());
        this.machine.share_put(at, bytes);
        this.known.set(at, { path: at, directory: false, size: bytes.length, version: this.machine.share_version(at) });
      }
    }
  }

  /** Writes back what the guest has changed. */
  private async look(): Promise<void> {
    const changes = this.machine.share_changes();
    if (changes === this.changes) return;
    const now = this.entries();
    let failed = false;
    const attempt = async (path: string, work: () => Promise<void>) => {
      try {
        await work();
        this.told.delete(path);
      } catch (error) {
        failed = true;
        // It is tried again, and told of once.
        if (!this.told.has(path)) this.notice(`${path} is not written to your folder: ${textOf(error)}`);
        this.told.add(path);
      }
    };
    // Parents come before what they hold, and go after it.
    const before = [...this.known].sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [path, entry] of before) {
      if (now.get(path)?.directory === entry.directory) continue;
      await attempt(path, async () => {
        await this.remove(path);
        this.known.delete(path);
      });
    }
    for (const [path, entry] of now) {
      if (this.known.get(path)?.version === entry.version) continue;
      await attempt(path, async () => {
        await this.write(entry);
        this.known.set(path, entry);
      });
    }
    if (!failed) this.changes = changes;
  }

  private async parent(path: string): Promise<[FileSystemDirectoryHandle, string]> {
    const names = path.split("/");
    const name = names.pop()!;
    let at = this.root;
    for (const name of names) at = await at.getDirectoryHandle(name);
    return [at, name];
  }

  private async write({ path, directory }: Entry): Promise<void> {
    const [parent, name] = await this.parent(path);
    if (directory) return void (await parent.getDirectoryHandle(name, { create: true }));
    const bytes = new Uint8Array(this.machine.share_get(path));
    const file = await parent.getFileHandle(name, { create: true });
    const writer = await file.createWritable();
    try {
      await writer.write(bytes);
    } catch (error) {
      await writer.abort();
      throw error;
    }
    await writer.close();
  }

  private async remove(path: string): Promise<void> {
    try {
      const [parent, name] = await this.parent(path);
      await parent.removeEntry(name);
    } catch (error) {
      // Somebody else may have removed it.
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
    }
  }
}
