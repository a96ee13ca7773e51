// The core in its two flavours: with a worker for each CPU where the page is cross-origin isolated, so
// that workers may share memory, and with one thread for everything elsewhere.

import type * as Ferrite from "../wasm/ferrite";
import type { CpuMessage, FromCpu } from "./cpu";
import { provideModules } from "./modules";
import { provideThreads } from "./threads";
import single from "../wasm/ferrite_bg.wasm?url";
import threads from "../wasm/threads/ferrite_bg.wasm?url";

export interface Core {
  ferrite: typeof Ferrite;
  memory: WebAssembly.Memory;
  /** Starts workers for so many CPUs. */
  startCpus(count: number, broke: (why: string) => void): void;
}

/** Loads the core; `news` is called when a CPU's worker has something for this one to look at. */
export async function loadCore(news: () => void): Promise<Core> {
  if (!self.crossOriginIsolated) return loadSingle();
  provideThreads(performance.timeOrigin, news);
  const ferrite = (await import("../wasm/threads/ferrite")) as unknown as typeof Ferrite;
  const module = await WebAssembly.compileStreaming(fetch(threads));
  const exports = await ferrite.default({ module_or_path: module });
  provideModules(exports);
  const { memory, __indirect_function_table: table } = exports;
  const startCpus = (count: number, broke: (why: string) => void) => {
    for (let cpu = 0; cpu < count; cpu++) {
      const worker = new Worker(new URL("./cpu.ts", import.meta.url), { type: "module", name: `CPU ${cpu}` });
      worker.onmessage = ({ data }: MessageEvent<FromCpu>) => (data === null ? news() : broke(data));
      worker.onerror = (event) => broke(event.message || "a CPU's worker could not be started");
      const message: CpuMessage = { cpu, module, memory, slots: table.length, origin: performance.timeOrigin };
      worker.postMessage(message);
    }
  };
  return { ferrite, memory, startCpus };
}

async function loadSingle(): Promise<Core> {
  const ferrite = await import("../wasm/ferrite");
  const exports = await ferrite.default({ module_or_path: single });
  provideModules(exports);
  return { ferrite, memory: exports.memory, startCpus: () => {} };
}
