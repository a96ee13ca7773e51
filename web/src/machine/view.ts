// A machine on the page: terminal, tabs beside it, actions above.

import { Embed, isEmbedded } from "../embed";
import type { DiskInfo, FromWorker } from "../protocol";
import { type Config, write } from "../state";
import { bytes, copy, h, save } from "../ui/dom";
import { tabs } from "../ui/tabs";
import { QmpConsole } from "./console";
import { FiguresPanel } from "./figures";
import { FilesPanel } from "./files";
import { ObjectsPanel } from "./objects";
import { Qmp } from "./qmp";
import { RelayPanel } from "./relay";
import { Screen } from "./terminal";
import { Session } from "./session";
import { type Link, server } from "./link";
import { RemoteSession } from "./remote";
import { TracesPanel } from "./traces";

/** The common actions: label, QMP command. */
const ACTIONS: [string, string][] = [
  ["Stop", "stop"], ["Continue", "cont"], ["Reset", "system_reset"], ["Power down", "system_powerdown"],
];

export class MachineView {
  readonly element: HTMLElement;
  private session: Link;
  private qmp: Qmp;
  private console: QmpConsole;
  private readonly screen: Screen;
  private readonly files = new FilesPanel((message) => this.session.tell(message));
  private readonly figures = new FiguresPanel();
  private readonly objects = new ObjectsPanel();
  private readonly traces = new TracesPanel();
  private readonly relay = new RelayPanel(() => this.session.qmp(), (n) => this.indicate(n));
  private readonly state = h("span", { class: "badge", "data-state": "loading", role: "status" }, "loading");
  private readonly remote = h("span", { class: "badge remote", hidden: true, role: "status" });
  private readonly loading = h("ul", { class: "loading", "aria-label": "Progress" });
  private readonly message = h("div", { class: "message", hidden: true, role: "alert" });
  private readonly consoleBox = h("div", { class: "fill" });
  private readonly embed = new Embed({
    state: () => this.state.dataset["state"] ?? "loading",
    input: (bytes) => this.session.tell({ type: "input", bytes }),
    attach: (port) => this.session.attach(port),
  });
  private readonly disks = h("section", { class: "disks", "aria-label": "Disks" });

  /** When the machine started, until its guest says something. */
  private started: number | undefined;
  /** The worker was missed, and has not been heard of since. */
  private missed = false;

  constructor(private readonly config: Config, leave: () => void) {
    this.screen = new Screen((bytes) => this.session.tell({ type: "input", bytes }), config.hint);
    const actions = ACTIONS.map(([label, command]) => h("button", { onclick: () => void this.console.run(command) }, label));
    const bar = h(
      "div", { class: "machine-bar" },
      isEmbedded() ? null : h("button", { class: "quiet", onclick: leave }, "← Machines"),
      h("h1", {}, config.title), config.place === "server" ? h("span", { class: "badge" }, "on the server") : null, this.state, this.remote,
      h("div", { class: "actions", role: "toolbar", "aria-label": "Machine" }, ...actions),
    );
    const side = tabs("Machine", [
      ["Terminal", h("div", { class: "phone-terminal" })],
      ["QMP", this.consoleBox],
      ["Figures", this.figures.element],
      ["Objects", this.objects.element, () => this.objects.opened()],
      ["Trace", this.traces.element, () => this.traces.opened()],
      ["Files", this.files.element],
      ["Details", this.details()],
      ["Clients", this.relay.element],
    ]);
    const body = h("div", { class: "machine-body" }, h("div", { class: "machine-main" }, this.loading, this.message, this.screen.element), side);
    this.element = h("main", { class: "machine" }, bar, body);
    [this.session, this.qmp, this.console] = this.boot();
  }

  /** Starts the machine, at first or again. */
  private boot(): [Link, Qmp, QmpConsole] {
    const { line, sources, keep, place, relay } = this.config;
    const guests = new URL("guests/", new URL(".", location.href)).href;
    const hear = (message: FromWorker) => this.hear(message);
    this.session = place === "server" ? new RemoteSession(line, hear) : new Session({ line, sources, guests, ...(keep && { keep }), ...(relay && { relay: new URL("net", server()).href }) }, hear);
    this.qmp = new Qmp(this.session.qmp());
    this.console = new QmpConsole(this.qmp);
    this.consoleBox.replaceChildren(this.console.element);
    this.objects.use(this.qmp);
    this.traces.use(this.qmp);
    return [this.session, this.qmp, this.console];
  }

  /** Called when the view is on the page. */
  opened(): void {
    this.screen.open();
  }

  theme(): void {
    this.screen.theme();
  }

  end(): void {
    this.embed.end();
    this.stop();
  }

  private stop(): void {
    this.relay.revoke();
    this.session.end();
  }

  private restart(): void {
    this.stop();
    this.missed = false;
    this.message.hidden = true;
    this.setState("loading");
    this.boot();
  }

  private setState(state: string): void {
    if (this.state.dataset["state"] === state) return;
    this.state.dataset["state"] = state;
    this.state.textContent = state;
    this.embed.state(state);
  }

  private indicate(clients: number | null): void {
    this.remote.hidden = clients === null;
    this.remote.textContent = clients ? `${clients} native client${clients > 1 ? "s" : ""}` : "open to native clients";
  }

  private hear(message: FromWorker): void {
    if (this.missed && message.type !== "silent") {
      this.missed = false;
      this.message.hidden = true;
    }
    switch (message.type) {
      case "progress":
        return this.progress(message.path, message.loaded, message.total);
      case "started":
        this.awaitOutput();
        this.setState("running");
        return this.showDisks(message.disks);
      case "output":
        this.embed.output(message.bytes);
        if (this.started !== undefined) this.endWait();
        return this.screen.write(message.bytes);
      case "figures":
        this.setState(message.figures.state);
        if (this.started !== undefined) this.showWait(message.figures.instructions);
        return this.figures.show(message.figures);
      case "state":
        return this.setState(message.state);
      case "traced":
        return this.traces.told(message.traced);
      case "files":
        return this.files.show(message.files);
      case "exported":
        return save(message.path, message.blob);
      case "notice":
        return this.screen.note(message.text);
      case "trouble":
        return this.say(`${message.path}: ${message.text}. The machine waits.`, [
          ["Try again", () => this.session.tell({ type: "retry" })],
          ["Let the guest see the error", () => this.session.tell({ type: "fail" })],
        ]);
      case "silent":
        this.missed = true;
        this.setState("silent");
        return this.say("The machine’s worker does not answer. The browser may have ended it, for want of memory perhaps: then the guest’s memory is lost, and what it wrote to disks that are kept is there.", [
          ["Start again", () => this.restart()],
        ]);
      case "failed":
        this.endWait();
        this.setState("failed");
        this.embed.failed(message.text);
        return this.say(message.text, [["Start again", () => this.restart()]]);
      case "ended":
        this.endWait();
        this.setState("off");
        return this.say("The machine has powered off.", [["Start again", () => this.restart()]]);
    }
  }

  private say(text: string, actions: [string, () => void][]): void {
    const buttons = actions.map(([label, action]) =>
      h("button", { onclick: () => { this.message.hidden = true; action(); } }, label),
    );
    this.message.replaceChildren(h("p", {}, text), ...buttons);
    this.message.hidden = false;
  }

  /** A kernel may be silent for long: says that it is at work. */
  private awaitOutput(): void {
    this.started = performance.now();
    const row = h("li", { "data-wait": true }, h("span", {}, "The guest starts"), h("progress", { "aria-label": "The guest starts" }), h("span", { class: "amount" }));
    this.loading.replaceChildren(row);
  }

  private showWait(instructions: number): void {
    const seconds = Math.round((performance.now() - this.started!) / 1000);
    const amount = this.loading.querySelector("[data-wait] .amount");
    if (amount) amount.textContent = `${seconds} s, ${Math.round(instructions / 1e6).toLocaleString("en")} million instructions`;
  }

  private endWait(): void {
    this.started = undefined;
    this.loading.replaceChildren();
  }

  private progress(path: string, loaded: number, total: number | null): void {
    let row = [...this.loading.children].find((item) => (item as HTMLElement).dataset["path"] === path);
    if (!row) {
      row = h("li", { "data-path": path }, h("span", {}, path), h("progress", { "aria-label": path }), h("span", { class: "amount" }));
      this.loading.append(row);
    }
    const bar = row.querySelector("progress")!;
    if (total) {
      bar.max = total;
      bar.value = loaded;
    }
    row.querySelector(".amount")!.textContent = total ? `${bytes(loaded)} of ${bytes(total)}` : bytes(loaded);
  }

  private details(): HTMLElement {
    const link = () => new URL(write(this.config), location.href).href;
    const share = h("button", { onclick: () => void copy(link(), share) }, "Copy a link to this machine");
    const line = h("button", { onclick: () => void copy(this.config.line, line) }, "Copy the command line");
    return h(
      "section", { class: "details", "aria-label": "Details" },
      this.config.hint ? h("p", {}, this.config.hint) : null,
      h("h2", {}, "Command line"),
      h("p", {}, "The native program takes the same, and so does QEMU under its own name."),
      h("pre", { tabindex: 0 }, this.config.line),
      h("p", { class: "buttons" }, line, share),
      h("h2", {}, "Disks"),
      this.disks,
    );
  }

  private showDisks(disks: DiskInfo[]): void {
    const row = (disk: DiskInfo) =>
      h(
        "li", {}, h("b", {}, disk.path), ` ${bytes(disk.size)}, `,
        disk.kept ? "changes are kept in this browser" : disk.readOnly ? "read only" : "changes end with the page",
        h(
          "p", { class: "buttons" },
          h("button", { onclick: () => this.session.tell({ type: "export", path: disk.path }) }, "Export"),
          disk.kept ? h("button", { class: "danger", onclick: () => void this.forget(disk) }, "Forget changes") : null,
        ),
      );
    if (disks.length === 0) this.disks.replaceChildren(h("p", {}, "This machine has none."));
    else this.disks.replaceChildren(h("ul", {}, ...disks.map(row)));
  }

  private async forget(disk: DiskInfo): Promise<void> {
    if (!confirm(`Everything that the guest wrote to ${disk.path} will be lost, and the machine starts anew.`)) return;
    const { forgetChanges } = await import("./changes");
    this.session.end();
    await forgetChanges(this.config.keep, disk.path);
    this.restart();
  }
}
