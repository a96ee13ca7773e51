// What the page shows, as the part of its address after the number sign: a link to it is enough to
// see the same.

import { MACHINES } from "./machines";
import type { Source } from "./protocol";

/** A machine to run. */
export interface Config {
  title: string;
  line: string;
  sources: Record<string, Source>;
  hint: string;
  /** The name under which changes to disks are kept; none are if empty. */
  keep: string;
  /** Where it runs: in this tab, or in a process of this page's server. */
  place: Place;
  /** Whether the guest's connections go by way of this page's server. */
  relay: boolean;
}

export type Place = "tab" | "server";

export type View = { kind: "gallery" } | { kind: "machine"; config: Config };

const EMPTY = "empty:";

/** The view that an address leads to. */
export function read(hash: string): View {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const place: Place = params.get("on") === "server" ? "server" : "tab";
  const relay = params.get("net") === "server";
  const machine = MACHINES.find((spec) => spec.id === params.get("machine"));
  if (machine) {
    return { kind: "machine", config: { ...machine, keep: params.get("keep") ?? machine.id, place, relay } };
  }
  const line = params.get("line");
  if (line === null) return { kind: "gallery" };
  const sources: Record<string, Source> = {};
  for (const entry of params.getAll("file")) {
    const at = entry.indexOf("=");
    if (at <= 0) continue;
    const [name, where] = [entry.slice(0, at), entry.slice(at + 1)];
    const size = where.startsWith(EMPTY) ? Number(where.slice(EMPTY.length)) : NaN;
    if (Number.isSafeInteger(size) && size >= 0) sources[name] = { kind: "empty", size };
    else if (URL.canParse(where)) sources[name] = { kind: "url", url: where };
  }
  const title = params.get("title") ?? "Your machine";
  return { kind: "machine", config: { title, line, sources, hint: "", keep: params.get("keep") ?? "", place, relay } };
}

/** The address of a machine. Files that were chosen here cannot be part of it. */
export function write(config: Config): string {
  const params = new URLSearchParams({ title: config.title, line: config.line });
  if (config.keep) params.set("keep", config.keep);
  if (config.relay) params.set("net", "server");
  if (config.place === "server") params.set("on", config.place);
  for (const [name, source] of Object.entries(config.sources)) {
    if (source.kind === "empty") params.append("file", `${name}=${EMPTY}${source.size}`);
    if (source.kind === "url") params.append("file", `${name}=${source.url}`);
  }
  return `#${params}`;
}
