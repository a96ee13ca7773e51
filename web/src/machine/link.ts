// What a machine is to the page, wherever it runs.

import type { ToWorker } from "../protocol";

export interface Link {
  tell(message: ToWorker, transfer?: Transferable[]): void;
  /** Opens a QMP conversation; JSON texts go both ways over the port. */
  qmp(): MessagePort;
  /** Lets whoever has the other end of this port talk QMP. */
  attach(port: MessagePort): void;
  /** Ends the machine. */
  end(): void;
}

/** Where the WebSockets of this page's server are. */
export function server(): string {
  const url = new URL(".", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}
