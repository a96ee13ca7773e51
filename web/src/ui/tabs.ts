// Panels of which one is seen, by the pattern of the ARIA Authoring Practices.

import { h } from "./dom";

let last = 0;

/** A label, what is seen under it, and what is done whenever it is chosen. */
export type Tab = [label: string, panel: HTMLElement, chosen?: () => void];

/** Tabs; the first that the layout shows is chosen. */
export function tabs(label: string, panels: Tab[]): HTMLElement {
  const group = ++last;
  const buttons = panels.map(([name], n) =>
    h("button", { role: "tab", id: `tab-${group}-${n}`, "aria-controls": `panel-${group}-${n}`, onclick: () => choose(n) }, name),
  );
  const boxes = panels.map(([, panel], n) =>
    h("div", { role: "tabpanel", id: `panel-${group}-${n}`, "aria-labelledby": `tab-${group}-${n}`, class: "panel" }, panel),
  );
  const element = h("div", { class: "tabs" }, h("div", { role: "tablist", "aria-label": label }, ...buttons), ...boxes);
  const choose = (chosen: number) => {
    element.dataset["chosen"] = panels[chosen]![0].toLowerCase();
    document.documentElement.dataset["tab"] = element.dataset["chosen"];
    buttons.forEach((button, n) => {
      button.setAttribute("aria-selected", String(n === chosen));
      button.tabIndex = n === chosen ? 0 : -1;
      boxes[n]!.hidden = n !== chosen;
    });
    panels[chosen]![2]?.();
  };
  element.firstElementChild!.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[(event as KeyboardEvent).key];
    if (!step) return;
    const now = buttons.findIndex((button) => button.getAttribute("aria-selected") === "true");
    let next = (now + step + buttons.length) % buttons.length;
    // What the layout hides cannot be chosen.
    if (buttons[next]!.offsetParent === null) next = (next + step + buttons.length) % buttons.length;
    choose(next);
    buttons[next]!.focus();
  });
  choose(matchMedia("(max-width: 800px)").matches ? 0 : 1);
  return element;
}
