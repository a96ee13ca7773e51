// Figures of a machine at work, each with its last two minutes.

import type { Figures } from "../protocol";
import { bytes, h } from "../ui/dom";

/** Values that a plot shows. */
const KEPT = 240;
const WIDTH = 240;
const HEIGHT = 40;

interface Plot {
  label: string;
  value: (figures: Figures) => number;
  text: (value: number) => string;
  /** The top of the plot is at least this. */
  least?: number;
}

const PLOTS: Plot[] = [
  { label: "Guest speed", value: (f) => f.mips, text: (v) => `${v.toFixed(v < 10 ? 1 : 0)} million instructions/s` },
  { label: "Work for this computer", value: (f) => f.busy * 100, text: (v) => `${v.toFixed(v < 10 ? 1 : 0)} % of a processor`, least: 100 },
  { label: "Memory of the tab", value: (f) => f.memory, text: bytes },
  { label: "TLB misses", value: (f) => f.tlbMisses, text: (v) => `${Math.round(v).toLocaleString("en")}/s` },
  { label: "Translated code", value: (f) => f.regions, text: (v) => `${Math.round(v).toLocaleString("en")} blocks` },
];

const SVG = "http://www.w3.org/2000/svg";

export class FiguresPanel {
  readonly element = h("section", { class: "figures", "aria-label": "Figures" });
  private readonly rows = PLOTS.map((plot) => {
    const value = h("span", { class: "figure-value" }, "–");
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(SVG, "polyline");
    svg.append(line);
    this.element.append(h("div", { class: "figure" }, h("span", { class: "figure-label" }, plot.label), value, svg));
    return { plot, value, line, values: [] as number[] };
  });

  show(figures: Figures): void {
    // Nobody sees a panel that is hidden: drawing it is most of what an idle machine would cost.
    const seen = this.element.offsetParent !== null;
    for (const { plot, value, line, values } of this.rows) {
      const now = plot.value(figures);
      values.push(now);
      if (values.length > KEPT) values.shift();
      if (!seen) continue;
      value.textContent = plot.text(now);
      const top = Math.max(...values.map((v) => v * 1.1), plot.least ?? 1e-9);
      const points = values.map((v, n) => `${(WIDTH * (KEPT - values.length + n)) / (KEPT - 1)},${HEIGHT - (HEIGHT * v) / top}`);
      line.setAttribute("points", points.join(" "));
    }
  }
}
