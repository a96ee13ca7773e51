// What this browser lacks, in words.

/** What a machine cannot do without; empty if all is there. */
export function missing(): string[] {
  const lacks: [boolean, string][] = [
    [typeof WebAssembly === "undefined", "WebAssembly"],
    [typeof Worker === "undefined", "Web Workers"],
    [typeof BigInt === "undefined", "BigInt"],
    [typeof WebAssembly !== "undefined" && !simd(), "WebAssembly SIMD"],
  ];
  return lacks.filter(([lack]) => lack).map(([, name]) => name);
}

/** What is good to have; the machine runs without. */
export function limits(): string[] {
  const lacks: [boolean, string][] = [
    [!navigator.storage?.getDirectory, "This browser cannot keep changes to disks: they end with the page."],
    [!window.isSecureContext, "This page is not a secure context (https or localhost): changes to disks cannot be kept, and the clipboard is out of reach."],
  ];
  return lacks.filter(([lack]) => lack).map(([, text]) => text);
}

/** A module with one vector constant: a browser without SIMD refuses it. */
function simd(): boolean {
  const module = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
  return WebAssembly.validate(new Uint8Array(module));
}
