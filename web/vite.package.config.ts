import { defineConfig } from "vite";

// The package: a module with its worker and its WebAssembly beside it, found by relative addresses.
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    outDir: "package/dist",
    rollupOptions: {
      input: { ferrite: "src/package/index.ts" },
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "[name].js" },
    },
  },
  worker: { format: "es" },
});
