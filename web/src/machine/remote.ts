// The page's end of a machine on the server that this page came from. `server/src/serve/vms.rs` says
// what the messages are.

import type { FromWorker, ToWorker } from "../protocol";
import { Qmp } from "./qmp";
import { type Link, server } from "./link";

/** What a server lets pages run. */
export interface Offer {
  machines: number;
  perClient: number;
  memory: number;
  cpus: number;
}

/** What this page's server lets it run; nothing if it is not `ferrite serve`. */
export async function offered(): Promise<Offer | undefined> {
  try {
    const offer = (await (await fetch("vm")).json()) as Offer;
    return offer.machines > 0 ? offer : undefined;
  } catch {
    return undefined;
  }
}

/** What a machine is doing after the events that say so. */
const STATES: Record<string, string> = {
  STOP: "paused", RESUME: "running", SUSPEND: "suspended", WAKEUP: "running",
};

/** A machine in a process of the server; it lives as long as this. */
export class RemoteSession implements Link {
  private readonly socket: WebSocket;
  /** The machine's name, once it has one. */
  private machine: string | undefined;
  /** Conversations that wait for the machine. */
  private waiting: MessagePort[] = [];
  private readonly conversations = new Set<WebSocket>();
  private over = false;

  constructor(line: string, private readonly hear: (message: FromWorker) => void) {
    const path = `vm/start?line=${encodeURIComponent(line)}`;
    this.socket = new WebSocket(new URL(path, server()));
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => this.message(data);
    this.socket.onclose = () => void this.closed(path);
  }

  private message(data: ArrayBuffer | string): void {
    if (typeof data !== "string") return this.hear({ type: "output", bytes: new Uint8Array(data) });
    const { machine, ended } = JSON.parse(data) as { machine?: string; ended?: string };
    if (machine !== undefined) this.started(machine);
    if (ended !== undefined) {
      this.over = true;
      this.hear(ended ? { type: "failed", text: ended } : { type: "ended" });
    }
  }

  private started(machine: string): void {
    this.machine = machine;
    this.hear({ type: "started", disks: [] });
    for (const port of this.waiting) this.converse(port, machine);
    this.waiting = [];
    void this.watch();
  }

  /** Keeps the page told of what the machine is doing. */
  private async watch(): Promise<void> {
    const qmp = new Qmp(this.qmp());
    const tell = (state: string | undefined) => state !== undefined && this.hear({ type: "state", state });
    qmp.onEvent = ({ event }) => void tell(STATES[event]);
    tell(((await qmp.execute("query-status")) as { status: string }).status);
  }

  private async closed(path: string): Promise<void> {
    if (this.over) return;
    this.over = true;
    // A WebSocket does not tell why it was refused; a plain request does.
    const why = this.machine === undefined ? await fetch(path).then((answer) => answer.text(), () => "") : "";
    this.hear({ type: "failed", text: why.trim() || "the connection to the machine on the server has ended, and the machine with it" });
  }

  tell(message: ToWorker): void {
    if (message.type === "input") {
      // The page's own copy: it need not be on shared memory.
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(new Uint8Array(message.bytes));
    } else if (message.type === "list" || message.type === "upload" || message.type === "download") {
      this.hear({ type: "notice", text: "a machine on the server shares no folder with the page" });
    }
  }

  qmp(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.attach(port2);
    return port1;
  }

  attach(port: MessagePort): void {
    if (this.machine === undefined) this.waiting.push(port);
    else this.converse(port, this.machine);
  }

  private converse(port: MessagePort, machine: string): void {
    const socket = new WebSocket(new URL(`vm/qmp?machine=${machine}`, server()));
    this.conversations.add(socket);
    const close = () => {
      this.conversations.delete(socket);
      socket.close();
      port.close();
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => port.postMessage(data);
    socket.onclose = close;
    // What is said before the socket is open waits in the port.
    socket.onopen = () => {
      port.onmessage = ({ data }: MessageEvent<string | null>) => (data === null ? close() : socket.send(data));
    };
  }

  end(): void {
    this.over = true;
    this.socket.close();
    for (const socket of this.conversations) socket.close();
  }
}
