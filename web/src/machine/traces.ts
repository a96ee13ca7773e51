// Trace events: which are on, and what they tell.

import type { Traced } from "../protocol";
import { h } from "../ui/dom";
import type { Qmp } from "./qmp";
import type { TraceEventInfo } from "./qmp-types";

/** Lines that are kept on the page. */
const KEPT = 500;

export class TracesPanel {
  readonly element: HTMLElement;
  private readonly filter = h("input", { id: "trace-filter", placeholder: "pl011", spellcheck: "false", autocapitalize: "off", oninput: () => this.show() });
  private readonly list = h("ul", { class: "trace-events", "aria-label": "Trace events" });
  private readonly log = h("ol", { class: "trace-log", tabindex: 0, "aria-label": "What trace events tell" });
  private readonly count = h("p", { class: "quiet-text", role: "status" });
  private events: TraceEventInfo[] = [];
  private lost = 0;
  private qmp: Qmp | undefined;

  constructor() {
    this.element = h(
      "section", { class: "details traces", "aria-label": "Trace events" },
      h("p", { class: "buttons" },
        h("button", { onclick: () => void this.read() }, "Read again"),
        h("button", { onclick: () => void this.silence() }, "All off"),
        h("button", { onclick: () => this.clear() }, "Clear"),
      ),
      h("label", { for: "trace-filter" }, "Show events whose name has"), this.filter,
      this.list, this.count, this.log,
    );
  }

  /** The machine to ask; what was shown of another is gone. */
  use(qmp: Qmp): void {
    this.qmp = qmp;
    this.events = [];
    this.show();
    this.clear();
  }

  /** The person looks: reads what was not read yet. */
  opened(): void {
    if (this.events.length === 0) void this.read();
  }

  private async read(): Promise<void> {
    this.events = await this.qmp!.execute("trace-event-get-state", { name: "*" });
    this.show();
  }

  private async set(name: string, enable: boolean): Promise<void> {
    await this.qmp!.execute("trace-event-set-state", { name, enable });
    await this.read();
  }

  private async silence(): Promise<void> {
    await this.set("*", false);
  }

  private clear(): void {
    this.log.replaceChildren();
    this.lost = 0;
    this.tell();
  }

  private show(): void {
    const wanted = this.filter.value.trim().toLowerCase();
    const rows = this.events.filter(({ name }) => name.includes(wanted)).map(({ name, state }) => {
      const box = h("input", { type: "checkbox", id: `trace-${name}`, checked: state === "enabled", disabled: state === "unavailable" });
      box.addEventListener("change", () => void this.set(name, box.checked));
      return h("li", {}, box, h("label", { for: `trace-${name}` }, ` ${name}`));
    });
    this.list.replaceChildren(...rows);
  }

  /** Lines that trace events have told. */
  told({ lines, lost }: Traced): void {
    this.lost += lost;
    const room = lines.slice(-KEPT);
    this.lost += lines.length - room.length;
    this.log.append(...room.map((line) => h("li", {}, line)));
    while (this.log.childElementCount > KEPT) this.log.firstElementChild!.remove();
    this.log.scrollTop = this.log.scrollHeight;
    this.tell();
  }

  private tell(): void {
    this.count.textContent = this.lost > 0 ? `${this.lost.toLocaleString("en")} lines came too fast to be kept.` : "";
  }
}
