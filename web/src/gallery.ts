// The first view: machines to start, and a form for one's own.

import { MACHINES, type MachineSpec } from "./machines";
import type { Source } from "./protocol";
import { offered } from "./machine/remote";
import type { Config, Place } from "./state";
import { bytes, h } from "./ui/dom";

const OWN_LINE = `ferrite -M virt,gic-version=3 -cpu cortex-a57 -m 512 -nographic \\
  -kernel cloud-6.1.Image -initrd cloud-6.1.cpio \\
  -append "console=ttyAMA0"`;

export function gallery(start: (config: Config, id?: string) => void): HTMLElement {
  const form = ownForm((config) => start(config));
  const cards = MACHINES.map((spec) => card(spec, (place) => start({ ...spec, keep: spec.id, place, relay: false }, spec.id), () => form.edit(spec)));
  return h(
    "main", { class: "gallery" },
    h(
      "div", { class: "intro" },
      h("h1", {}, "A 64-bit Arm machine in this tab"),
      h("p", {}, "Ferrite runs unmodified kernels and firmware for QEMU’s virt board. Nothing leaves your browser: the machine runs in a worker of this page."),
    ),
    h("div", { class: "cards" }, ...cards),
    form.element,
  );
}

/** Machines that live without anything of the page's own, if the server takes any. */
async function offerServer(spec: MachineSpec, buttons: HTMLElement, start: () => void): Promise<void> {
  if (Object.keys(spec.sources).length > 0 || / -(netdev|fsdev) /.test(spec.line) || !(await server)) return;
  buttons.append(h("button", { onclick: start, "aria-label": `Start ${spec.title} on the server` }, "On the server"));
}

const server = offered();

function card(spec: MachineSpec, start: (place: Place) => void, edit: () => void): HTMLElement {
  const buttons = h(
    "p", { class: "buttons" },
    h("button", { class: "primary", onclick: () => start("tab"), "aria-label": `Start ${spec.title}` }, "Start"),
    h("button", { onclick: edit, "aria-label": `Change ${spec.title}` }, "Change"),
  );
  void offerServer(spec, buttons, () => start("server"));
  return h(
    "article", { class: "card", "data-machine": spec.id },
    h("h2", {}, spec.title),
    h("p", {}, spec.about),
    h("ul", { class: "facts" }, ...spec.facts.map((fact) => h("li", {}, fact))),
    h("details", {}, h("summary", {}, "Command line"), h("pre", { tabindex: 0 }, spec.line)),
    buttons,
  );
}

/** A machine of one's own: a command line, and files for the names on it. */
function ownForm(start: (config: Config) => void): { element: HTMLElement; edit: (spec: MachineSpec) => void } {
  let sources: Record<string, Source> = {};
  const line = h("textarea", { id: "own-line", rows: 7, spellcheck: "false", autocapitalize: "off" });
  line.value = OWN_LINE;
  const keep = h("input", { type: "checkbox", id: "own-keep", checked: true });
  const relay = h("input", { type: "checkbox", id: "own-relay" });
  const list = h("ul", { class: "files", "aria-label": "Your files" });
  const picker = h("input", { type: "file", multiple: true, id: "own-files", onchange: () => take(picker.files) });

  const show = () =>
    list.replaceChildren(
      ...Object.entries(sources).map(([name, source]) => {
        const what = { local: () => bytes((source as { file: File }).file.size), empty: () => `${bytes((source as { size: number }).size)} of zeros`, url: () => "from the network" }[source.kind]();
        const drop = () => { delete sources[name]; show(); };
        return h("li", {}, h("code", {}, name), ` ${what} `, h("button", { type: "button", onclick: drop, "aria-label": `Remove ${name}` }, "Remove"));
      }),
    );
  const take = (files: FileList | null) => {
    for (const file of files ?? []) sources[file.name] = { kind: "local", file };
    show();
  };

  const zone = h(
    "div",
    { class: "drop", ondragover: (e: DragEvent) => e.preventDefault(), ondrop: (e: DragEvent) => { e.preventDefault(); take(e.dataTransfer?.files ?? null); } },
    h("label", { for: "own-files" }, "Kernel, initial RAM disk, firmware or disk images"),
    picker,
    h("p", { class: "quiet-text" }, "Choose files or drop them here, and name them on the command line. A name that is not among them is looked up on this server, and may be an https address."),
    list,
  );
  const submit = (event: Event) => {
    event.preventDefault();
    start({ title: "Your machine", line: line.value, sources, hint: "", keep: keep.checked ? "own" : "", place: "tab", relay: relay.checked });
  };
  const element = h(
    "form", { class: "own", onsubmit: submit, "aria-labelledby": "own-title" },
    h("h2", { id: "own-title" }, "Bring your own"),
    h("label", { for: "own-line" }, "Command line, as for QEMU"),
    line, zone,
    h("p", {}, keep, h("label", { for: "own-keep" }, " Keep changes to disks in this browser")),
    h("p", {}, relay, h("label", { for: "own-relay" }, " Connect the guest’s network card (-netdev user) through this page’s server, if that allows it")),
    h("p", { class: "buttons" }, h("button", { class: "primary" }, "Start this machine")),
  );
  const edit = (spec: MachineSpec) => {
    line.value = spec.line;
    sources = { ...spec.sources };
    show();
    element.scrollIntoView({ behavior: "smooth" });
    line.focus();
  };
  return { element, edit };
}
