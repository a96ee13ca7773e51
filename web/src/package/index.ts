// The JavaScript package: a machine in a worker, for pages of others. See `package/README.md`.

import { Qmp, type QmpArguments, QmpFailure, type QmpError, type QmpEvent } from "../machine/qmp";
import { Session } from "../machine/session";
import type { DiskInfo, Figures, FromWorker, SharedFile, Source, Traced } from "../protocol";
import { limits, missing } from "../support";

export { Qmp, QmpFailure };
export type { DiskInfo, Figures, QmpArguments, QmpError, QmpEvent, SharedFile, Source, Traced };
/** The types of QMP's schema: `Commands` and `Events` by name, and what they speak of. */
export type * as QmpTypes from "../machine/qmp-types";

/** What a file of the command line is: an address, a chosen file, so many zeros, or bytes. */
export type FileSource = Source | string | URL | File | Blob | Uint8Array<ArrayBuffer>;

export interface MachineOptions {
  /** The command line, as for QEMU. */
  line: string;
  /** What the names on it stand for. Other names are addresses, relative to `guests`. */
  files?: Record<string, FileSource>;
  /** The address that names without an entry are relative to; the page's own unless given. */
  guests?: string | URL;
  /** Under which name changes to disks are kept in this browser; none are if absent. */
  keep?: string;
  /** The WebSocket (`…/net`) of a `ferrite serve -net …` that carries the guest's connections. */
  relay?: string | URL;
}

/** What a machine tells, by the names that {@link Machine.on} takes. */
export interface MachineEvents {
  /** A download goes on. */
  progress: { path: string; loaded: number; total: number | null };
  /** The guest's serial port has put something out. */
  output: Uint8Array<ArrayBuffer>;
  /** Figures, about twice a second. */
  figures: Figures;
  /** What trace events that QMP turned on have told. */
  traced: Traced;
  /** Something that a person may want to know. */
  notice: string;
  /** Nothing is heard of the machine's worker, which the browser may have ended. */
  silent: undefined;
  /** A disk's request failed and the machine waits for {@link Machine.retry} or {@link Machine.fail}. */
  trouble: { path: string; text: string };
  /** The guest has powered off, or the machine was ended. */
  ended: undefined;
  /** There is no machine: it could not be made, or broke. */
  failed: Error;
}

type Listener<K extends keyof MachineEvents> = (detail: MachineEvents[K]) => void;

/** What this browser lacks, without which no machine runs; empty if all is there. */
export const lacking: () => string[] = missing;
/** What this browser cannot do as well as others, in words. */
export const shortcomings: () => string[] = limits;

function source(file: FileSource): Source {
  if (typeof file === "string" || file instanceof URL) return { kind: "url", url: new URL(file, document.baseURI).href };
  if (file instanceof File) return { kind: "local", file };
  if (file instanceof Blob || file instanceof Uint8Array) return { kind: "local", file: new File([file], "file") };
  return file;
}

/** A machine at work in a worker of its own. */
export class Machine {
  /** Settled when the guest runs: the disks that it has. */
  readonly started: Promise<DiskInfo[]>;
  private readonly session: Session;
  private readonly listeners = new Map<string, Set<(detail: never) => void>>();
  private over = false;

  /** Downloads what the command line names, and starts the machine. */
  constructor({ line, files = {}, guests = ".", keep, relay }: MachineOptions) {
    const sources = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, source(file)]));
    const start = { line, sources, guests: new URL(guests, document.baseURI).href, ...(keep && { keep }), ...(relay && { relay: String(relay) }) };
    this.session = new Session(start, (message) => this.hear(message));
    this.started = new Promise((resolve, reject) => {
      this.once("started", resolve);
      this.on("failed", reject);
    });
    // Whoever does not wait for the start hears of failures by the event.
    this.started.catch(() => {});
  }

  /** Calls `listener` for each event of this name; what is returned ends that. */
  on<K extends keyof MachineEvents>(name: K, listener: Listener<K>): () => void {
    return this.listen(name, listener);
  }

  private listen(name: string, listener: (detail: never) => void): () => void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(listener));
    return () => all.delete(listener);
  }

  private once<T>(name: string, listener: (detail: T) => void): void {
    const end = this.listen(name, (detail: never) => {
      end();
      listener(detail);
    });
  }

  private emit(name: string, detail: unknown): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) listener(detail as never);
  }

  private hear(message: FromWorker): void {
    switch (message.type) {
      case "started":
        return this.emit("started", message.disks);
      case "progress":
      case "trouble":
        return this.emit(message.type, message);
      case "output":
        return this.emit("output", message.bytes);
      case "figures":
        return this.emit("figures", message.figures);
      case "traced":
        return this.emit("traced", message.traced);
      case "notice":
        return this.emit("notice", message.text);
      case "silent":
        return this.emit("silent", undefined);
      case "files":
        return this.emit("files", message.files);
      case "exported":
        return this.emit(`exported ${message.path}`, message.blob);
      case "failed":
        return this.emit("failed", new Error(message.text));
      case "ended":
        return this.end();
    }
  }

  /** Types into the serial port. */
  type(input: string | Uint8Array): void {
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    this.session.tell({ type: "input", bytes });
  }

  /** A new QMP conversation: JSON texts in both directions; `null` ends it. */
  port(): MessagePort {
    return this.session.qmp();
  }

  /** A QMP client with a conversation of its own, its capabilities negotiated. */
  qmp(): Qmp {
    return new Qmp(this.port());
  }

  /** Puts a file into the folder that the guest mounts by 9p; the files there now. */
  put(name: string, contents: Uint8Array): Promise<SharedFile[]> {
    return this.answer("files", () => this.session.tell({ type: "upload", name, bytes: contents }));
  }

  /** The files of that folder. */
  files(): Promise<SharedFile[]> {
    return this.answer("files", () => this.session.tell({ type: "list" }));
  }

  /** What a file of that folder holds. */
  get(name: string): Promise<Blob> {
    return this.answer(`exported ${name}`, () => this.session.tell({ type: "download", name }));
  }

  /** A disk as the guest has it now. */
  export(path: string): Promise<Blob> {
    return this.answer(`exported ${path}`, () => this.session.tell({ type: "export", path }));
  }

  /** What comes by this name, or the next notice as an error. */
  private answer<T>(name: string, ask: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const ends = [
        this.listen(name, (detail: never) => settle(() => resolve(detail))),
        this.listen("notice", (text: never) => settle(() => reject(new Error(text)))),
        this.listen("ended", () => settle(() => reject(new Error("the machine has ended")))),
      ];
      const settle = (how: () => void) => {
        for (const end of ends) end();
        how();
      };
      ask();
    });
  }

  /** Tries a disk's failed requests again, and goes on. */
  retry(): void {
    this.session.tell({ type: "retry" });
  }

  /** Lets the guest see a disk's failed requests, and goes on. */
  fail(): void {
    this.session.tell({ type: "fail" });
  }

  /** Ends the machine at once, as pulling the plug does. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.session.end();
    this.emit("ended", undefined);
  }
}
