// The page's end of a machine's worker.

import type { FromWorker, StartMessage, ToWorker } from "../protocol";
import type { Link } from "./link";

/** Seconds after which a worker that says nothing is missed; a machine at work says something twice a second. */
const PATIENCE = 15;

/** A worker with a machine in it. */
export class Session implements Link {
  private readonly worker = new Worker(new URL("../worker/worker.ts", import.meta.url), { type: "module", name: "machine" });
  private readonly watch: ReturnType<typeof setInterval>;
  /** Seconds since the worker was last heard of. */
  private silence = 0;

  constructor(start: Omit<StartMessage, "type">, hear: (message: FromWorker) => void) {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      this.silence = 0;
      if (data.type === "ended" || data.type === "failed") clearInterval(this.watch);
      hear(data);
    };
    this.worker.onerror = (event) => {
      clearInterval(this.watch);
      hear({ type: "failed", text: event.message || "the machine's worker could not be started" });
    };
    // A page that sleeps does not count, so that it misses nobody when it wakes.
    this.watch = setInterval(() => {
      if (++this.silence === PATIENCE) hear({ type: "silent" });
    }, 1000);
    this.tell({ type: "start", ...start });
  }

  tell(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  qmp(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.attach(port2);
    return port1;
  }

  attach(port: MessagePort): void {
    this.tell({ type: "qmp", port }, [port]);
  }

  end(): void {
    clearInterval(this.watch);
    this.worker.terminate();
  }
}
