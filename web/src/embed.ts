// The page inside an `<iframe>` of another: what that other page may ask, by `postMessage`.
// `package/README.md` says what the messages are.

/** What the messages of this protocol are known by. */
const VERSION = 1;

interface FromParent {
  ferrite?: unknown;
  type?: unknown;
  text?: unknown;
}

/** What a machine gives to the page around its frame. */
export interface Embedded {
  state(): string;
  input(bytes: Uint8Array): void;
  attach(port: MessagePort): void;
}

/** Whether the address asks for nothing but the machine. */
export function isEmbedded(): boolean {
  return new URLSearchParams(location.hash.slice(1)).has("embed");
}

/** The conversation with the page around, once it has said hello. */
export class Embed {
  private origin: string | undefined;
  private readonly decoder = new TextDecoder();
  private readonly listener = (event: MessageEvent<FromParent>) => this.hear(event);

  constructor(private readonly machine: Embedded) {
    if (window.parent !== window) addEventListener("message", this.listener);
  }

  private hear({ source, origin, data, ports }: MessageEvent<FromParent>): void {
    if (source !== window.parent || typeof data !== "object" || data?.ferrite !== VERSION) return;
    if (data.type === "hello") {
      this.origin = origin;
      this.tell("ready", { state: this.machine.state() });
    }
    if (origin !== this.origin) return;
    if (data.type === "input" && typeof data.text === "string") this.machine.input(new TextEncoder().encode(data.text));
    else if (data.type === "qmp" && ports[0]) this.machine.attach(ports[0]);
  }

  private tell(type: string, more: object): void {
    // The origin of a page without one cannot be named.
    if (this.origin !== undefined && this.origin !== "null") window.parent.postMessage({ ferrite: VERSION, type, ...more }, this.origin);
  }

  state(state: string): void {
    this.tell("state", { state });
  }

  output(bytes: Uint8Array): void {
    if (this.origin !== undefined) this.tell("output", { text: this.decoder.decode(bytes, { stream: true }) });
  }

  failed(text: string): void {
    this.tell("failed", { text });
  }

  end(): void {
    removeEventListener("message", this.listener);
  }
}
