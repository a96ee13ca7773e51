// Lets native QMP clients in, through the server that this page came from.

import { copy, h } from "../ui/dom";
import { server } from "./link";

/** Bytes of a token. */
const TOKEN = 16;

interface RelayMessage {
  client: number;
  open?: boolean;
  text?: string;
}

export class RelayPanel {
  readonly element = h("section", { class: "relay", "aria-label": "Native clients" });
  private socket: WebSocket | undefined;
  private readonly clients = new Map<number, MessagePort>();

  constructor(
    /** Opens a QMP conversation with the machine. */
    private readonly open: () => MessagePort,
    /** Told how many clients there are, or that none may come. */
    private readonly indicate: (clients: number | null) => void,
  ) {
    this.show();
  }

  private show(token?: string, problem?: string): void {
    const about = h("p", {}, "A QMP client on your computer can attach to this machine through the server of this page. It can then stop, reset and look into the machine until you take that back.");
    if (!token) {
      this.element.replaceChildren(
        about,
        h("button", { class: "primary", onclick: () => this.allow() }, "Allow native clients"),
        problem ? h("p", { role: "alert", class: "problem" }, problem) : null as never,
      );
      return;
    }
    const address = new URL(`relay/attach?offer=${token}`, server()).href;
    const copyButton = h("button", { onclick: () => void copy(address, copyButton) }, "Copy address");
    this.element.replaceChildren(
      about,
      h("p", {}, "Attach a WebSocket client here; one JSON text per frame:"),
      h("code", { class: "address" }, address),
      h("p", { class: "buttons" }, copyButton, h("button", { class: "danger", onclick: () => this.revoke() }, "Take it back")),
      h("p", {}, "For clients that speak no WebSocket, such as Python’s qemu.qmp, this puts the machine on a socket of your computer:"),
      h("pre", { tabindex: 0 }, `ferrite attach '${address}' unix:qmp.sock${address.startsWith("wss:") ? " CERTIFICATE.pem" : ""}`),
      h("p", { class: "relay-count", "aria-live": "polite" }, "Nobody is attached."),
    );
  }

  private allow(): void {
    const token = [...crypto.getRandomValues(new Uint8Array(TOKEN))].map((b) => b.toString(16).padStart(2, "0")).join("");
    const socket = new WebSocket(new URL(`relay/offer?offer=${token}`, server()));
    this.socket = socket;
    socket.onopen = () => {
      this.show(token);
      this.count();
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => this.message(JSON.parse(data) as RelayMessage);
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.revoke();
      this.show(undefined, "The connection ended. This needs a page that ferrite serve serves.");
    };
  }

  private message({ client, open, text }: RelayMessage): void {
    if (open === true) {
      const port = this.open();
      port.onmessage = ({ data }: MessageEvent<string>) => this.socket?.send(JSON.stringify({ client, text: data }));
      this.clients.set(client, port);
    } else if (open === false) {
      this.clients.get(client)?.postMessage(null);
      this.clients.delete(client);
    } else if (text !== undefined) {
      this.clients.get(client)?.postMessage(text);
    }
    this.count();
  }

  private count(): void {
    const n = this.clients.size;
    this.indicate(n);
    const line = this.element.querySelector(".relay-count");
    if (line) line.textContent = n === 0 ? "Nobody is attached." : `${n} attached.`;
  }

  /** Cuts everybody off. */
  revoke(): void {
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
    for (const port of this.clients.values()) port.postMessage(null);
    this.clients.clear();
    this.indicate(null);
    this.show();
  }
}
