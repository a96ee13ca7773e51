// The machine's worker: runs it in slices and answers what it asks in between.

import type { Machine } from "../wasm/ferrite";
import type { DiskInfo, Figures, FromWorker, SharedFile, StartMessage, ToWorker, Traced } from "../protocol";
import { type Core, loadCore } from "./core";
import { type OpenDisk, Disks, textOf } from "./disks";
import { openStorage } from "./disk";
import { readWhole, sourceOf } from "./files";
import { LocalFolder } from "./folder";
import { pumpFetches } from "./network";
import { Overlay, canKeep } from "./overlay";
import { NetRelay, Segments, connectRelay } from "./relay";

/** Milliseconds that the guest runs before messages are looked at. */
const SLICE_MS = 12;
/** Milliseconds between figures. */
const FIGURES_MS = 500;
/** Silence of this worker after which the browser must have had it asleep, in milliseconds. */
const ASLEEP_MS = 4000;
/** Longest sleep of an idle machine, in milliseconds. */
const MAX_SLEEP_MS = 1000;

interface Need {
  option: string;
  path: string;
  disk: boolean;
  readOnly: boolean;
}

function tell(message: FromWorker, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

/** A machine at work. */
class Run {
  private readonly turns = new MessageChannel();
  private readonly monitors = new Map<number, MessagePort>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private scheduled = false;
  private ended = false;
  private busyMs = 0;
  private lastFigures = performance.now();
  private lastInstructions = 0;
  private lastMisses = 0;
  private lastWorked = 0;
  /** When this worker last did something. */
  private awake = performance.now();
  readonly disks: Disks;
  private readonly segments: Segments;
  private readonly relay: NetRelay | undefined;
  /** A conversation of our own, to stop the machine when a disk fails. */
  private readonly own: number;
  /** Workers of CPUs; there are none where CPUs take turns here. */
  private readonly threads: number;

  constructor(
    private readonly machine: Machine,
    disks: OpenDisk[],
    private readonly core: Core,
    relay: WebSocket | undefined,
  ) {
    this.turns.port1.onmessage = () => {
      this.scheduled = false;
      this.turn();
    };
    this.own = machine.qmp_open();
    machine.qmp_send(this.own, '{"execute":"qmp_capabilities"}');
    this.disks = new Disks(
      machine,
      disks,
      () => this.kick(),
      (path, text) => {
        this.command("stop");
        tell({ type: "trouble", path, text });
      },
    );
    const news = () => this.kick();
    this.segments = new Segments(machine, news);
    const lost = () => tell({ type: "notice", text: "the server has ended the guest's way to the network" });
    this.relay = relay && new NetRelay(machine, relay, news, lost);
    setInterval(() => this.figures(), FIGURES_MS);
    this.threads = machine.threads();
    core.startCpus(this.threads, (why) => this.broke(why));
    this.kick();
  }

  command(name: string): void {
    this.machine.qmp_send(this.own, JSON.stringify({ execute: name }));
    this.kick();
  }

  input(bytes: Uint8Array): void {
    this.machine.serial_input(bytes);
    this.kick();
  }

  attach(port: MessagePort): void {
    const id = this.machine.qmp_open();
    this.monitors.set(id, port);
    port.onmessage = ({ data }) => {
      if (typeof data === "string") {
        this.machine.qmp_send(id, data);
        this.kick();
      } else if (data === null) {
        this.machine.qmp_close(id);
        this.monitors.delete(id);
        port.close();
      }
    };
    this.kick();
  }

  /** Puts a file into the shared folder. */
  upload(name: string, bytes: Uint8Array): void {
    try {
      this.machine.share_put(name, bytes);
    } catch (error) {
      tell({ type: "notice", text: textOf(error) });
    }
    this.list();
  }

  /** Shares a folder of the person's own computer. */
  share(root: FileSystemDirectoryHandle): void {
    const notice = (text: string) => tell({ type: "notice", text });
    const shared = LocalFolder.share(this.machine, root, notice);
    shared.then(
      () => {
        notice(`the folder ${root.name} is shared with the guest`);
        this.list();
      },
      (error: unknown) => notice(`the folder ${root.name} cannot be shared: ${textOf(error)}`),
    );
  }

  download(name: string): void {
    try {
      tell({ type: "exported", path: name, blob: new Blob([new Uint8Array(this.machine.share_get(name))]) });
    } catch (error) {
      tell({ type: "notice", text: textOf(error) });
    }
  }

  list(): void {
    tell({ type: "files", files: JSON.parse(this.machine.share_list()) as SharedFile[] });
  }

  /** Has the machine run soon. */
  kick(): void {
    if (this.scheduled || this.ended) return;
    clearTimeout(this.timer);
    this.scheduled = true;
    this.turns.port2.postMessage(null);
  }

  /** A page that was suspended has not lost its machine: the machine's time stood still with it. */
  private wake(now: number): void {
    const away = now - this.awake - FIGURES_MS;
    this.awake = now;
    if (away < ASLEEP_MS) return;
    this.machine.slept(away);
    this.lastFigures += away;
    tell({ type: "notice", text: `the browser had this page asleep for ${Math.round(away / 1000)} s; the machine stood still` });
  }

  private turn(): void {
    const start = performance.now();
    this.wake(start);
    let next: number;
    try {
      next = this.machine.run(SLICE_MS);
    } catch (error) {
      return this.broke(textOf(error));
    }
    this.flush();
    this.awake = performance.now();
    this.busyMs += this.awake - start;
    if (next < 0) {
      this.ended = true;
      this.figures();
      tell({ type: "ended" });
    } else if (next === 0) {
      this.kick();
    } else if (Number.isFinite(next)) {
      this.timer = setTimeout(() => this.kick(), Math.min(next, MAX_SLEEP_MS));
    }
  }

  private broke(why: string): void {
    if (!this.ended) tell({ type: "failed", text: `the machine broke: ${why}` });
    this.ended = true;
  }

  private flush(): void {
    const output = this.machine.serial_output();
    if (output.length > 0) {
      const bytes = new Uint8Array(output);
      tell({ type: "output", bytes }, [bytes.buffer]);
    }
    for (const [id, port] of this.monitors) {
      for (let line = this.machine.qmp_receive(id); line; line = this.machine.qmp_receive(id)) {
        port.postMessage(line);
      }
    }
    const traced = this.machine.traces();
    if (traced) tell({ type: "traced", traced: JSON.parse(traced) as Traced });
    while (this.machine.qmp_receive(this.own)) {
      // Nobody reads these.
    }
    this.disks.pump();
    pumpFetches(this.machine, () => this.kick());
    this.segments.pump();
    this.relay?.pump();
  }

  private figures(): void {
    const now = performance.now();
    this.wake(now);
    const elapsed = now - this.lastFigures;
    if (!this.ended && this.threads > 0) {
      this.machine.sample();
      this.kick();
    }
    const instructions = this.machine.instructions();
    const done = Math.max(0, instructions - this.lastInstructions);
    const [misses, worked] = [this.machine.tlb_misses(), this.machine.threads_worked()];
    const figures: Figures = {
      mips: done / elapsed / 1000,
      busy: Math.min(1 + this.threads, (this.busyMs + Math.max(0, worked - this.lastWorked)) / elapsed),
      tlbMisses: (Math.max(0, misses - this.lastMisses) / elapsed) * 1000,
      memory: this.core.memory.buffer.byteLength,
      regions: this.machine.regions(),
      instructions,
      state: this.ended ? "shutdown" : this.machine.state(),
    };
    this.lastFigures = now;
    this.lastInstructions = instructions;
    [this.lastMisses, this.lastWorked] = [misses, worked];
    this.busyMs = 0;
    tell({ type: "figures", figures });
  }
}

async function start(message: StartMessage): Promise<Run> {
  let run: Run | undefined;
  const core = await loadCore(() => run?.kick());
  const setup = new core.ferrite.MachineSetup(message.line);
  const needs = JSON.parse(setup.needs()) as Need[];
  const disks: OpenDisk[] = [];
  const infos: DiskInfo[] = [];
  for (const need of needs) {
    const source = sourceOf(need.path, message.sources, message.guests);
    if (!need.disk) {
      const progress = (loaded: number, total: number | null) =>
        tell({ type: "progress", path: need.path, loaded, total });
      setup.file(need.path, await readWhole(source, progress));
      continue;
    }
    let storage = await openStorage(source);
    const keep = message.keep !== undefined && !need.readOnly && canKeep();
    if (keep) storage = await Overlay.open(storage, message.keep!, need.path);
    else if (storage.readOnly && !need.readOnly) {
      tell({ type: "notice", text: `${need.path}: changes cannot be kept here, so the guest may only read` });
    }
    const readOnly = need.readOnly || storage.readOnly;
    setup.disk(need.path, storage.size, readOnly);
    disks.push({ path: need.path, storage });
    infos.push({ path: need.path, size: storage.size, readOnly, kept: keep });
  }
  const relay = message.relay === undefined ? undefined : await connectRelay(message.relay).catch((error: unknown) => {
    tell({ type: "notice", text: `the guest has no way to the network: ${textOf(error)}` });
    return undefined;
  });
  const machine = setup.build();
  tell({ type: "started", disks: infos });
  run = new Run(machine, disks, core, relay);
  return run;
}

let run: Promise<Run> | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "start") {
    run = start(data);
    run.catch((error: unknown) => tell({ type: "failed", text: textOf(error) }));
    return;
  }
  // What comes before the machine is there waits for it; if it failed, that was told.
  run?.then((machine) => obey(machine, data)).catch(() => {});
};

function obey(run: Run, message: Exclude<ToWorker, StartMessage>): void {
  switch (message.type) {
    case "input":
      return run.input(message.bytes);
    case "qmp":
      return run.attach(message.port);
    case "export":
      return run.disks.export(message.path, (blob) => tell({ type: "exported", path: message.path, blob }), (text) => tell({ type: "notice", text }));
    case "upload":
      return run.upload(message.name, message.bytes);
    case "download":
      return run.download(message.name);
    case "folder":
      return run.share(message.handle);
    case "list":
      return run.list();
    case "retry":
      run.disks.retry();
      return run.command("cont");
    case "fail":
      run.disks.fail();
      return run.command("cont");
  }
}
