// The page's end of a machine's worker.

import type { FromWorker, ToWorker } from "../protocol";
import type { Config } from "../state";

/** A worker with a machine in it. */
export class Session {
  private readonly worker = new Worker(new URL("../worker/worker.ts", import.meta.url), { type: "module", name: "machine" });

  constructor(config: Config, hear: (message: FromWorker) => void) {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => hear(data);
    this.worker.onerror = (event) => hear({ type: "failed", text: event.message || "the machine's worker could not be started" });
    this.tell({
      type: "start",
      line: config.line,
      sources: config.sources,
      guests: new URL("guests/", new URL(".", location.href)).href,
      ...(config.keep && { keep: config.keep }),
    });
  }

  tell(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  /** Opens a QMP conversation; JSON texts go both ways over the port. */
  qmp(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.tell({ type: "qmp", port: port2 }, [port2]);
    return port1;
  }

  end(): void {
    this.worker.terminate();
  }
}
