// A CPU's worker: runs it on the memory of the machine's worker, and listens to nobody meanwhile.

import init, { cpuBroke, runCpu } from "../wasm/threads/ferrite";
import { textOf } from "./disks";
import { provideModules } from "./modules";
import { provideThreads } from "./threads";

export interface CpuMessage {
  cpu: number;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Slots of the table that the machine's worker has given away, each to one CPU. */
  slots: number;
  /** The moment that the machine counts its time from. */
  origin: number;
}

/** Nothing but "look", or why the CPU broke. */
export type FromCpu = null | string;

const tell = (message: FromCpu) => self.postMessage(message);

self.onmessage = ({ data }: MessageEvent<CpuMessage>) => {
  run(data).catch((error: unknown) => tell(textOf(error)));
};

async function run({ cpu, module, memory, slots, origin }: CpuMessage): Promise<void> {
  provideThreads(origin, () => tell(null));
  const core = await init({ module_or_path: module, memory });
  // Each thread has a table of its own, with the same functions at the same places.
  const table = core.__indirect_function_table;
  table.grow(slots - table.length);
  provideModules({ memory, __indirect_function_table: table });
  try {
    runCpu(cpu);
  } catch (error) {
    // The machine's worker may be waiting for this one.
    cpuBroke(cpu);
    throw error;
  }
}
