// The page's end of a machine's worker.

import type { FromWorker, StartMessage, ToWorker } from "../protocol";

/** A worker with a machine in it. */
export class Session {
  private readonly worker = new Worker(new URL("../worker/worker.ts", import.meta.url), { type: "module", name: "machine" });

  constructor(start: Omit<StartMessage, "type">, hear: (message: FromWorker) => void) {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => hear(data);
    this.worker.onerror = (event) => hear({ type: "failed", text: event.message || "the machine's worker could not be started" });
    this.tell({ type: "start", ...start });
  }

  tell(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  /** Opens a QMP conversation; JSON texts go both ways over the port. */
  qmp(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.attach(port2);
    return port1;
  }

  /** Lets whoever has the other end of this port talk QMP. */
  attach(port: MessagePort): void {
    this.tell({ type: "qmp", port }, [port]);
  }

  end(): void {
    this.worker.terminate();
  }
}
