// The tree of the machine's objects, read from its monitor as the person opens it.

import { h } from "../ui/dom";
import { type Qmp, QmpFailure } from "./qmp";
import type { ObjectPropertyInfo } from "./qmp-types";

const CHILD = /^child<(.*)>$/;

export class ObjectsPanel {
  readonly element: HTMLElement;
  private readonly tree = h("ul", { role: "tree", "aria-label": "Objects", class: "tree" });
  private readonly path = h("code", { class: "object-path" }, "/");
  private readonly properties = h("dl", { class: "properties" });
  private qmp: Qmp | undefined;

  constructor() {
    this.element = h(
      "section", { class: "details objects", "aria-label": "Objects" },
      h("p", { class: "buttons" }, h("button", { onclick: () => void this.read() }, "Read again")),
      this.tree,
      h("h2", {}, "Properties"),
      this.path, this.properties,
    );
    this.tree.addEventListener("keydown", (event) => this.key(event));
  }

  /** The machine to ask; what was shown of another is gone. */
  use(qmp: Qmp): void {
    this.qmp = qmp;
    this.tree.replaceChildren();
    this.properties.replaceChildren();
  }

  private list(path: string): Promise<ObjectPropertyInfo[]> {
    return this.qmp!.execute("qom-list", { path });
  }

  /** The person looks: reads what was not read yet. */
  opened(): void {
    if (this.tree.childElementCount === 0) void this.read();
  }

  private async read(): Promise<void> {
    this.tree.replaceChildren(this.item("/", "container", "/"));
    const root = this.tree.firstElementChild as HTMLElement;
    root.tabIndex = 0;
    await this.open(root);
    await this.show("/");
  }

  private item(path: string, kind: string, name: string): HTMLElement {
    const label = h("span", { class: "tree-label" }, name, " ", h("span", { class: "tree-kind" }, kind));
    const item = h("li", { role: "treeitem", "aria-expanded": "false", tabindex: -1, "data-path": path }, label);
    label.addEventListener("click", () => {
      this.focus(item);
      void this.show(path);
      void this.toggle(item);
    });
    return item;
  }

  private async toggle(item: HTMLElement): Promise<void> {
    if (item.getAttribute("aria-expanded") === "true") this.close(item);
    else await this.open(item);
  }

  private close(item: HTMLElement): void {
    item.querySelector("ul")?.remove();
    item.setAttribute("aria-expanded", "false");
  }

  private async open(item: HTMLElement): Promise<void> {
    const path = item.dataset["path"]!;
    const children = (await this.list(path)).flatMap(({ name, type }) => {
      const kind = CHILD.exec(type)?.[1];
      return kind === undefined ? [] : [this.item(`${path === "/" ? "" : path}/${name}`, kind, name)];
    });
    if (children.length === 0) return item.removeAttribute("aria-expanded");
    item.querySelector("ul")?.remove();
    item.append(h("ul", { role: "group" }, ...children));
    item.setAttribute("aria-expanded", "true");
  }

  private async show(path: string): Promise<void> {
    this.path.textContent = path;
    const plain = (await this.list(path)).filter(({ type }) => !CHILD.test(type));
    const rows = await Promise.all(
      plain.map(async ({ name, type }) => {
        const value = await this.qmp!.execute("qom-get", { path, property: name }).catch((error: unknown) => {
          if (error instanceof QmpFailure) return error.error.desc;
          throw error;
        });
        return [h("dt", {}, name, " ", h("span", { class: "tree-kind" }, type)), h("dd", {}, JSON.stringify(value))];
      }),
    );
    // An answer that comes late is of an object that is no longer shown.
    if (this.path.textContent === path) this.properties.replaceChildren(...rows.flat());
  }

  private focus(item: HTMLElement): void {
    for (const other of this.tree.querySelectorAll<HTMLElement>('[tabindex="0"]')) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
  }

  /** The keys of the tree pattern of the ARIA Authoring Practices. */
  private key(event: KeyboardEvent): void {
    const item = (event.target as HTMLElement).closest<HTMLElement>('[role="treeitem"]');
    if (!item) return;
    const all = [...this.tree.querySelectorAll<HTMLElement>('[role="treeitem"]')];
    const at = all.indexOf(item);
    const expanded = item.getAttribute("aria-expanded");
    const to = {
      ArrowDown: () => all[at + 1],
      ArrowUp: () => all[at - 1],
      Home: () => all[0],
      End: () => all.at(-1),
      ArrowRight: () => (expanded === "false" ? void this.open(item) : all[at + 1]),
      ArrowLeft: () => (expanded === "true" ? this.close(item) : item.parentElement?.closest<HTMLElement>('[role="treeitem"]')),
      Enter: () => void this.show(item.dataset["path"]!),
      " ": () => void this.show(item.dataset["path"]!),
    }[event.key];
    if (!to) return;
    event.preventDefault();
    const next = to();
    if (next) this.focus(next);
  }
}
