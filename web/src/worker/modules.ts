// Compiles the modules that the core generates from guest code, on the core's own memory and table.

interface Exports {
  memory: WebAssembly.Memory;
  __indirect_function_table: WebAssembly.Table;
}

/** Lets the core have modules compiled. Call it once, before a machine is built. */
export function provideModules(core: Exports): void {
  const ferrite = { memory: core.memory, table: core.__indirect_function_table };
  const ferriteModules = {
    /** Grows the table; returns the first new slot, or 0 if it cannot grow. */
    reserve(slots: number): number {
      try {
        return ferrite.table.grow(slots);
      } catch {
        return 0;
      }
    },
    /** Compiles and instantiates a module. */
    install(bytes: Uint8Array): boolean {
      try {
        // A copy: compilers take no shared memory.
        const module = new WebAssembly.Module(new Uint8Array(bytes));
        new WebAssembly.Instance(module, { ferrite });
        return true;
      } catch (error) {
        console.warn("guest code is interpreted:", error);
        return false;
      }
    },
  };
  Object.assign(self, { ferriteModules });
}
