// The page: gallery or machine, as its address says.

import { gallery } from "./gallery";
import { MachineView } from "./machine/view";
import { type Config, read, write } from "./state";
import { limits, missing } from "./support";
import "./style.css";
import { h } from "./ui/dom";

const THEME_KEY = "ferrite-theme";
const app = document.getElementById("app")!;
let machine: MachineView | undefined;
/** A machine that was started here; its local files are not in the address. */
let started: { hash: string; config: Config } | undefined;

function header(): HTMLElement {
  const theme = h("button", { class: "quiet", onclick: switchTheme, "aria-label": "Switch between dark and light" }, "◐");
  const home = h("a", { href: "#", class: "brand" }, h("img", { src: "icon.svg", alt: "", width: 28, height: 28 }), "Ferrite");
  return h("header", {}, home, theme);
}

function switchTheme(): void {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = root.dataset["theme"] ?? system;
  root.dataset["theme"] = now === "dark" ? "light" : "dark";
  localStorage.setItem(THEME_KEY, root.dataset["theme"]);
  machine?.theme();
}

function show(): void {
  machine?.end();
  machine = undefined;
  const lacking = missing();
  if (lacking.length > 0) {
    const text = `This browser lacks ${lacking.join(", ")}, without which no machine runs. A current Firefox, Chrome, Edge or Safari has them.`;
    app.replaceChildren(header(), h("main", { class: "gallery" }, h("h1", {}, "Ferrite"), h("p", { role: "alert" }, text)));
    return;
  }
  const view = started?.hash === location.hash ? { kind: "machine" as const, config: started.config } : read(location.hash);
  document.documentElement.dataset["view"] = view.kind;
  if (view.kind === "machine") {
    machine = new MachineView(view.config, () => (location.hash = ""));
    document.title = `${view.config.title} – Ferrite`;
    app.replaceChildren(header(), machine.element);
    machine.opened();
    return;
  }
  document.title = "Ferrite playground";
  const notes = limits().map((text) => h("p", { class: "limit", role: "note" }, text));
  app.replaceChildren(header(), ...notes, gallery(start));
}

/** Goes to a machine; `id` is its name in the gallery. */
function start(config: Config, id?: string): void {
  const on = config.place === "server" ? "&on=server" : "";
  const hash = id ? `#machine=${id}${on}` : write(config);
  started = id ? undefined : { hash, config };
  if (location.hash === hash) show();
  else location.hash = hash;
}

const theme = localStorage.getItem(THEME_KEY);
if (theme) document.documentElement.dataset["theme"] = theme;
addEventListener("hashchange", show);
show();
