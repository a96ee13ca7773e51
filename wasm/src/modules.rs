//! Compiling guest code in the page: the worker makes modules of what the core generates.

use ferrite_ir::Accelerator;

/// An engine that generates WebAssembly, if the page can take it.
#[cfg(target_arch = "wasm32")]
#[must_use]
pub fn engine() -> Option<Accelerator> {
    let engine = ferrite_jit::wasm::Engine::new(page::Modules).ok()?;
    Some(Accelerator::Code(Box::new(engine)))
}

/// None: this is not WebAssembly.
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub fn engine() -> Option<Accelerator> {
    None
}

#[cfg(target_arch = "wasm32")]
mod page {
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        /// See `web/src/worker/modules.ts`.
        #[wasm_bindgen(js_namespace = ferriteModules, js_name = reserve)]
        fn reserve(slots: u32) -> u32;
        #[wasm_bindgen(js_namespace = ferriteModules, js_name = install)]
        fn install(module: &[u8]) -> bool;
    }

    /// The worker's compiler.
    pub struct Modules;

    impl ferrite_jit::wasm::Host for Modules {
        fn reserve(&mut self, slots: u32) -> Option<u32> {
            Some(reserve(slots)).filter(|&first| first != 0)
        }

        fn install(&mut self, module: &[u8]) -> bool {
            install(module)
        }
    }
}
