// The terminal at the machine's serial port.

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type ITheme, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { h } from "../ui/dom";

const DARK: ITheme = {
  background: "#16130f", foreground: "#e9e2d8", cursor: "#f08a4b", selectionBackground: "#5a4a3c",
};
const LIGHT: ITheme = {
  background: "#fffdf9", foreground: "#29231c", cursor: "#b4441c", selectionBackground: "#f0d3bf",
  yellow: "#8a6100", brightYellow: "#8a6100", white: "#6b6257", brightWhite: "#3d362e", green: "#2e7031",
  brightGreen: "#2e7031", cyan: "#14697a", brightCyan: "#14697a",
};

/** Keys of the bar for touch screens: label, what it sends, its spoken name. */
const KEYS: [string, string, string][] = [
  ["Esc", "\x1b", "Esc key"], ["Tab", "\t", "Tab"], ["^C", "\x03", "Control C"], ["^D", "\x04", "Control D"],
  ["←", "\x1b[D", "Left"], ["↑", "\x1b[A", "Up"], ["↓", "\x1b[B", "Down"], ["→", "\x1b[C", "Right"],
  ["|", "|", "Pipe"], ["/", "/", "Slash"], ["-", "-", "Dash"], ["~", "~", "Tilde"],
];

export class Screen {
  readonly element: HTMLElement;
  private readonly terminal: Terminal;
  private readonly fit = new FitAddon();
  private readonly search = new SearchAddon();
  private readonly box = h("div", { class: "screen-box" });
  private readonly find: HTMLElement;
  private readonly encoder = new TextEncoder();
  /** The next key is sent with Control. */
  private control = false;

  /** `send` takes what is typed; `hint` says what to try. */
  constructor(private readonly send: (bytes: Uint8Array) => void, private readonly hint: string) {
    this.terminal = new Terminal({
      fontFamily: 'ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
      fontSize: 14,
      scrollback: 5000,
      screenReaderMode: true,
      // A cursor that blinks is drawn sixty times a second: that is more than an idle machine takes.
      cursorBlink: false,
    });
    for (const addon of [this.fit, this.search, new WebLinksAddon()]) this.terminal.loadAddon(addon);
    this.terminal.onData((text) => this.type(text));
    this.terminal.onBinary((text) => this.send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.terminal.attachCustomKeyEventHandler((event) => this.shortcut(event));
    this.find = this.findBar();
    this.element = h("section", { class: "screen", "aria-label": "Terminal" }, this.toolbar(), this.find, this.box, this.keyBar());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.theme());
  }

  /** Puts the terminal on the page; it has to be there to know its size. */
  open(): void {
    this.terminal.open(this.box);
    this.theme();
    const observer = new ResizeObserver(() => {
      if (this.box.clientWidth > 0) this.fit.fit();
    });
    observer.observe(this.box);
    this.terminal.focus();
  }

  theme(): void {
    const chosen = document.documentElement.dataset["theme"];
    const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.terminal.options.theme = dark ? DARK : LIGHT;
  }

  write(bytes: Uint8Array): void {
    this.terminal.write(bytes);
  }

  /** A line of the page's own, set off from the guest's. */
  note(text: string): void {
    this.terminal.write(`\r\n\x1b[7m ${text.replace(/[\x00-\x1f]/g, " ")} \x1b[0m\r\n`);
  }

  focus(): void {
    this.terminal.focus();
  }

  private type(text: string): void {
    if (this.control && /^[a-z@[\\\]^_]$/i.test(text)) text = String.fromCharCode(text.toUpperCase().charCodeAt(0) & 31);
    this.setControl(false);
    this.send(this.encoder.encode(text));
  }

  private shortcut(event: KeyboardEvent): boolean {
    if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
    const action = { KeyC: () => this.copy(), KeyF: () => this.openFind() }[event.code];
    if (!action) return true;
    event.preventDefault();
    action();
    return false;
  }

  private copy(): void {
    const text = this.terminal.getSelection();
    if (text) void navigator.clipboard.writeText(text).catch(() => this.note("the browser does not let the page copy"));
  }

  private async paste(): Promise<void> {
    try {
      this.terminal.paste(await navigator.clipboard.readText());
    } catch {
      this.note("the browser does not let the page read the clipboard: use Ctrl+Shift+V");
    }
    this.terminal.focus();
  }

  private toolbar(): HTMLElement {
    const fit = () => {
      this.type(`stty cols ${this.terminal.cols} rows ${this.terminal.rows}\r`);
      this.terminal.focus();
    };
    return h(
      "div", { class: "screen-tools", role: "toolbar", "aria-label": "Terminal tools" },
      h("button", { title: "Copy the selection (Ctrl+Shift+C)", onclick: () => this.copy() }, "Copy"),
      h("button", { title: "Paste (Ctrl+Shift+V)", onclick: () => void this.paste() }, "Paste"),
      h("button", { title: "Search (Ctrl+Shift+F)", onclick: () => this.openFind() }, "Search"),
      h("button", { title: "Types stty, so that the guest knows how large the terminal is", onclick: fit }, "Fit"),
      this.hint ? h("p", { class: "hint", title: this.hint }, this.hint) : null,
    );
  }

  private findBar(): HTMLElement {
    const input = h("input", { "aria-label": "Search the terminal", placeholder: "Search" });
    const next = () => this.search.findNext(input.value);
    const close = () => { this.find.hidden = true; this.search.clearDecorations(); this.terminal.focus(); };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.shiftKey ? this.search.findPrevious(input.value) : next();
      if (event.key === "Escape") close();
    });
    return h(
      "div", { class: "find", hidden: true, role: "search" }, input,
      h("button", { onclick: () => this.search.findPrevious(input.value) }, "Previous"),
      h("button", { onclick: next }, "Next"),
      h("button", { onclick: close, "aria-label": "Close the search" }, "✕"),
    );
  }

  private openFind(): void {
    this.find.hidden = false;
    this.find.querySelector("input")?.select();
  }

  private controlKey = h("button", { "aria-pressed": "false", onclick: () => { this.setControl(!this.control); this.terminal.focus(); } }, "Ctrl");

  private setControl(on: boolean): void {
    this.control = on;
    this.controlKey.setAttribute("aria-pressed", String(on));
  }

  private keyBar(): HTMLElement {
    const keys = KEYS.map(([label, text, name]) =>
      h("button", { "aria-label": name, onclick: () => { this.type(text); this.terminal.focus(); } }, label),
    );
    return h("div", { class: "key-bar", role: "toolbar", "aria-label": "Keys" }, this.controlKey, ...keys);
  }
}
