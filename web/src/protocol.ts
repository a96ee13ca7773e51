// What the page and the machine's worker say to each other.

/** Where the bytes of a file on the command line come from. */
export type Source =
  /** An address, absolute or relative to the page. */
  | { kind: "url"; url: string }
  /** A file that the person chose. */
  | { kind: "local"; file: File }
  /** Nothing but zeros, this many bytes. */
  | { kind: "empty"; size: number };

/** A disk of the machine, as the page shows it. */
export interface DiskInfo {
  path: string;
  size: number;
  readOnly: boolean;
  /** Whether changes are kept in this browser. */
  kept: boolean;
}

/** A file of the folder that the guest shares with the page. */
export interface SharedFile {
  name: string;
  size: number;
}

export interface StartMessage {
  type: "start";
  /** The command line, as typed. */
  line: string;
  /** Sources by file name; names without one are looked up among the guests. */
  sources: Record<string, Source>;
  /** The address that file names are relative to. */
  guests: string;
  /** Under which name changes to disks are kept; none are if absent. */
  keep?: string;
  /** The WebSocket of a server that carries the guest's connections; there is none if absent. */
  relay?: string;
}

export type ToWorker =
  | StartMessage
  | { type: "input"; bytes: Uint8Array }
  /** A QMP conversation: JSON texts in both directions over the port. */
  | { type: "qmp"; port: MessagePort }
  | { type: "export"; path: string }
  | { type: "upload"; name: string; bytes: Uint8Array }
  | { type: "download"; name: string }
  /** Shares a folder of the person's computer, read and write. */
  | { type: "folder"; handle: FileSystemDirectoryHandle }
  | { type: "list" }
  | { type: "retry" }
  | { type: "fail" };

export interface Figures {
  /** Millions of guest instructions per second since the last figures. */
  mips: number;
  /** What the machine's workers took of the host's processors, in whole ones. */
  busy: number;
  /** Accesses of guest code that missed the TLB, per second since the last figures. */
  tlbMisses: number;
  /** Bytes of WebAssembly memory. */
  memory: number;
  /** Pieces of translated guest code. */
  regions: number;
  /** Guest instructions since the last reset. */
  instructions: number;
  /** QMP's name for what the machine is doing. */
  state: string;
}

/** What trace events have told. */
export interface Traced {
  lines: string[];
  /** Lines before these that were not kept. */
  lost: number;
}

export type FromWorker =
  | { type: "traced"; traced: Traced }
  | { type: "progress"; path: string; loaded: number; total: number | null }
  | { type: "started"; disks: DiskInfo[] }
  | { type: "output"; bytes: Uint8Array<ArrayBuffer> }
  | { type: "figures"; figures: Figures }
  /** What the machine is doing, of one that gives no figures. */
  | { type: "state"; state: string }
  | { type: "exported"; path: string; blob: Blob }
  /** The files at the top of the shared folder. */
  | { type: "files"; files: SharedFile[] }
  /** A disk request failed; the machine waits for `retry` or `fail`. */
  | { type: "trouble"; path: string; text: string }
  | { type: "notice"; text: string }
  /** From the page's end: nothing is heard of the worker, which the browser may have ended. */
  | { type: "silent" }
  /** The machine could not be made, or broke. */
  | { type: "failed"; text: string }
  /** The guest powered off. */
  | { type: "ended" };
