// Boots a guest in the browser's core under Node, and runs programs in it.
//
//   node tests/bench/wasm.mjs BACKEND KERNEL INITRD [ITEM...]
//
// Prints what the boot to the shell and each item of `workload.c` took, in seconds of CPU time: of the
// machine's thread, then of the whole process, where V8 optimises code in the background. With FIGURES=1
// in the environment also what the core counts of its translations, after the boot and at the end.

import { readFileSync } from "node:fs";

/** What the guest prints when its shell is about to start, and each program at its end. */
const READY = "guest ready";
const DONE = "items done";
const SLICE_MS = 12;

const [backend, kernel, initrd, ...items] = process.argv.slice(2);
const folder = new URL(process.env.CORE ?? "../../web/src/wasm/", import.meta.url);
const { initSync, MachineSetup } = await import(new URL("ferrite.js", folder));
const module = readFileSync(new URL("ferrite_bg.wasm", folder));

/** What `web/src/worker/modules.ts` gives the core. */
const modules = { count: 0, bytes: 0, ms: 0 };
globalThis.ferriteModules = {
  reserve: (slots) => core.__indirect_function_table.grow(slots),
  install(bytes) {
    const start = performance.now();
    const ferrite = { memory: core.memory, table: core.__indirect_function_table };
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { ferrite });
    modules.count++;
    modules.bytes += bytes.length;
    modules.ms += performance.now() - start;
    return true;
  },
};
const core = initSync({ module });

const setup = new MachineSetup(
  `-M virt,gic-version=3 -cpu cortex-a57 -m 1G -nographic -nodefaults -serial stdio ` +
    `-accel tcg,backend=${backend} -kernel kernel -initrd initrd -append "console=ttyAMA0 quiet"`,
);
setup.file("kernel", readFileSync(kernel));
setup.file("initrd", readFileSync(initrd));
const machine = setup.build();
const decoder = new TextDecoder();

/** Runs until a line has the words; what is left of them is thrown away. */
async function until(words) {
  let text = "";
  for (;;) {
    const next = machine.run(SLICE_MS);
    text += decoder.decode(machine.serial_output(), { stream: true });
    const at = text.indexOf(words);
    if (at >= 0) return;
    if (next < 0) throw new Error(`the guest ended before "${words}"`);
    if (next > 0) await new Promise((then) => setTimeout(then, Math.min(next, 100)));
  }
}

/** Seconds of CPU time: of this thread, which is the machine's, and of all. */
function seconds() {
  const [ns] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ");
  const { user, system } = process.cpuUsage();
  return [Number(ns) / 1e9, (user + system) / 1e6];
}

/** Runs until the words and tells what that took. */
async function measure(name, words) {
  const start = seconds();
  await until(words);
  const took = seconds().map((now, n) => (now - start[n]).toFixed(3));
  console.log(`item ${name} ${took.join(" ")}`);
}

/** Prints what the core counts of its translations. */
function tellOfCode() {
  const monitor = machine.qmp_open();
  machine.qmp_send(monitor, '{"execute":"qmp_capabilities"}');
  machine.qmp_send(monitor, '{"execute":"x-query-jit","id":"jit"}');
  for (;;) {
    machine.run(SLICE_MS);
    for (let text; (text = machine.qmp_receive(monitor)) !== undefined; ) {
      const answer = JSON.parse(text);
      if (answer.id !== "jit") continue;
      machine.qmp_close(monitor);
      return console.log(answer.return["human-readable-text"].trim());
    }
  }
}

await measure("boot", READY);
if (process.env.FIGURES) tellOfCode();
for (const item of items) {
  // The terminal echoes: what is typed must not look like what is waited for.
  machine.serial_input(new TextEncoder().encode(`/workload ${item}; echo items do''ne\n`));
  await measure(item, DONE);
}
console.log(`modules ${modules.count} of ${modules.bytes} bytes in ${modules.ms.toFixed(0)} ms`);
console.log(`instructions ${machine.instructions()}`);
if (process.env.FIGURES) tellOfCode();
process.exit(0);
