// The QMP console: commands with completion, answers and events.

import { h } from "../ui/dom";
import { type Qmp, type QmpEvent, QmpFailure } from "./qmp";
import { type Command, commands, parseCommand } from "./schema";

/** Entries that are kept. */
const MAX_ENTRIES = 300;
/** Commands that are remembered. */
const MAX_HISTORY = 100;
/** Suggestions that are shown. */
const MAX_SUGGESTIONS = 8;
const HISTORY_KEY = "ferrite-qmp-history";

export class QmpConsole {
  readonly element: HTMLElement;
  private readonly log = h("ol", { class: "qmp-log", "aria-label": "Commands, answers and events", tabindex: 0 });
  private readonly input = h("input", {
    class: "qmp-input",
    "aria-label": "QMP command",
    placeholder: "query-status",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "qmp-suggestions",
    "aria-autocomplete": "list",
  });
  private readonly list = h("ul", { id: "qmp-suggestions", class: "qmp-suggestions", role: "listbox", hidden: true, "aria-label": "Suggestions" });
  private readonly help = h("p", { class: "qmp-help", "aria-live": "polite" });
  private known = new Map<string, Command>();
  private suggestions: string[] = [];
  private chosen = -1;
  private readonly history: string[] = JSON.parse(sessionStorage.getItem(HISTORY_KEY) ?? "[]") as string[];
  private at = this.history.length;

  constructor(private readonly qmp: Qmp) {
    const form = h("form", { class: "qmp-form", onsubmit: (e: Event) => this.submit(e) }, this.input, h("button", {}, "Run"));
    this.element = h("section", { class: "qmp", "aria-label": "QMP console" }, this.log, this.help, this.list, form);
    this.input.addEventListener("input", () => this.suggest());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    qmp.onEvent = (event) => this.event(event);
    this.help.textContent = "Type a command as name key=value, or as JSON. Tab completes, arrows recall.";
    void this.learn();
  }

  private async learn(): Promise<void> {
    this.known = commands(await this.qmp.execute("query-qmp-schema"));
  }

  private add(kind: string, title: string, value?: unknown): void {
    const text = value === undefined ? undefined : JSON.stringify(value, null, 2);
    const entry = h("li", { class: `qmp-entry ${kind}` }, h("span", { class: "qmp-title" }, title));
    if (text !== undefined) entry.append(h("pre", {}, text));
    this.log.append(entry);
    while (this.log.childElementCount > MAX_ENTRIES) this.log.firstElementChild?.remove();
    this.log.scrollTop = this.log.scrollHeight;
  }

  private event({ event, data, timestamp }: QmpEvent): void {
    const time = new Date(timestamp.seconds * 1000).toLocaleTimeString();
    this.add("event", `${event} · ${time}`, data);
  }

  private submit(event: Event): void {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    this.close();
    if (this.history.at(-1) !== text) this.history.push(text);
    this.history.splice(0, this.history.length - MAX_HISTORY);
    sessionStorage.setItem(HISTORY_KEY, JSON.stringify(this.history));
    this.at = this.history.length;
    void this.run(text);
  }

  /** Runs a line, as if it had been typed. */
  async run(text: string): Promise<void> {
    try {
      const command = parseCommand(text);
      this.add("sent", text);
      this.add("answer", "return", await this.qmp.ask(command.execute, command.arguments));
    } catch (error) {
      if (error instanceof QmpFailure) this.add("error", error.error.class, error.error.desc);
      else this.add("error", error instanceof Error ? error.message : String(error));
    }
  }

  private key(event: KeyboardEvent): void {
    const open = !this.list.hidden;
    if (event.key === "Tab" && open && !event.shiftKey) {
      event.preventDefault();
      this.accept(Math.max(this.chosen, 0));
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      this.close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (open) this.choose((this.chosen + step + this.suggestions.length) % this.suggestions.length);
      else this.recall(step);
    } else if (event.key === "Enter" && open && this.chosen >= 0) {
      event.preventDefault();
      this.accept(this.chosen);
    }
  }

  private recall(step: number): void {
    this.at = Math.min(Math.max(this.at + step, 0), this.history.length);
    this.input.value = this.history[this.at] ?? "";
  }

  /** What could stand at the end of the line. */
  private candidates(): string[] {
    const text = this.input.value;
    if (text.trimStart().startsWith("{")) return [];
    const words = text.trimStart().split(/\s+/);
    const last = words.at(-1) ?? "";
    if (words.length <= 1) return [...this.known.keys()].filter((name) => name.includes(last));
    const command = this.known.get(words[0]!);
    const [key, value] = last.split("=", 2);
    if (value !== undefined) {
      const parameter = command?.parameters.find((p) => p.name === key);
      const values = parameter?.type === "boolean" ? ["true", "false"] : (parameter?.values ?? []);
      return values.filter((v) => v.startsWith(value)).map((v) => `${key}=${v}`);
    }
    const given = new Set(words.map((word) => word.split("=")[0]));
    return (command?.parameters ?? [])
      .filter((p) => p.name.startsWith(last) && (!given.has(p.name) || p.name === last))
      .map((p) => `${p.name}=`);
  }

  private suggest(): void {
    const text = this.input.value;
    const all = text ? this.candidates() : [];
    const last = text.trimStart().split(/\s+/).at(-1) ?? "";
    all.sort((a, b) => Number(b.startsWith(last)) - Number(a.startsWith(last)));
    this.suggestions = all.filter((s) => s !== last).slice(0, MAX_SUGGESTIONS);
    this.list.replaceChildren(
      ...this.suggestions.map((text, n) =>
        h("li", { role: "option", id: `qmp-option-${n}`, onmousedown: (e: Event) => { e.preventDefault(); this.accept(n); } }, text),
      ),
    );
    this.list.hidden = this.suggestions.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.choose(-1);
    this.explain(this.known.get(text.trimStart().split(/\s+/)[0] ?? ""));
  }

  private choose(n: number): void {
    this.chosen = n;
    [...this.list.children].forEach((item, m) => item.setAttribute("aria-selected", String(m === n)));
    if (n >= 0) {
      this.input.setAttribute("aria-activedescendant", `qmp-option-${n}`);
      this.explain(this.known.get(this.suggestions[n]!));
    } else this.input.removeAttribute("aria-activedescendant");
  }

  private accept(n: number): void {
    const suggestion = this.suggestions[n];
    if (suggestion === undefined) return;
    const kept = this.input.value.replace(/\S*$/, "");
    const open = suggestion.endsWith("=") || (!kept && !this.known.get(suggestion)?.parameters.length);
    this.input.value = kept + suggestion + (open ? "" : " ");
    this.suggest();
    this.input.focus();
  }

  private close(): void {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  /** Shows what a command takes and gives. */
  private explain(command: Command | undefined): void {
    if (!command) return;
    const rows = command.parameters.map((p) =>
      h("span", { class: "qmp-parameter" }, h("b", {}, p.name), p.optional ? "?" : "", `: ${p.type}`),
    );
    this.help.replaceChildren(h("code", {}, command.name), " ", ...rows.flatMap((row) => [row, " "]), `→ ${command.returns}`);
  }
}
