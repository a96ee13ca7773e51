// The guest's way out: to the network of this page's server, where that lets it, and to machines of
// other tabs.

import type { Machine } from "../wasm/ferrite";

/** Bytes on their way to the server at which the guest has to wait. */
const HIGH = 4 << 20;
/** How long a server may take to answer, in milliseconds. */
const PATIENCE_MS = 10_000;

/** A WebSocket to the server's relay for guests (`/net`); fails with the server's words. */
export function connectRelay(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.close(), PATIENCE_MS);
    socket.onopen = () => {
      clearTimeout(late);
      resolve(socket);
    };
    socket.onclose = () => {
      clearTimeout(late);
      // A WebSocket does not tell why it was refused; a plain request does.
      const plain = address.replace(/^ws/, "http");
      fetch(plain).then((answer) => answer.text(), () => "the server cannot be reached").then((why) => reject(new Error(why.trim())));
    };
  });
}

/** Carries a machine's connections over a server's relay. */
export class NetRelay {
  constructor(
    private readonly machine: Machine,
    private readonly socket: WebSocket,
    news: () => void,
    lost: () => void,
  ) {
    machine.relay(true);
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      machine.relay_hear(new Uint8Array(data));
      news();
    };
    socket.onclose = () => {
      machine.relay(false);
      news();
      lost();
    };
  }

  pump(): void {
    while (this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < HIGH) {
      const message = this.machine.relay_take();
      if (!message) return;
      this.socket.send(new Uint8Array(message));
    }
  }
}

/** Carries frames between machines that name the same segment, in tabs of this page's origin. */
export class Segments {
  private readonly channels: BroadcastChannel[];

  constructor(private readonly machine: Machine, news: () => void) {
    const names = JSON.parse(machine.segments()) as string[];
    this.channels = names.map((name, segment) => {
      const channel = new BroadcastChannel(`ferrite-segment ${name}`);
      channel.onmessage = ({ data }: MessageEvent<unknown>) => {
        if (!(data instanceof Uint8Array)) return;
        machine.frame_give(segment, data);
        news();
      };
      return channel;
    });
  }

  pump(): void {
    this.channels.forEach((channel, segment) => {
      for (let frame = this.machine.frame_take(segment); frame; frame = this.machine.frame_take(segment)) {
        channel.postMessage(new Uint8Array(frame));
      }
    });
  }
}
