//! Random numbers of the page, handed over in advance: the core asks for them without waiting.

use std::io;

use ferrite_machine::backend::RandomSource;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(into: &mut [u8]);
}

/// Most bytes that one call of `getRandomValues` gives.
const CHUNK: usize = 65536;

/// `crypto.getRandomValues` of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageRandom;

impl RandomSource for PageRandom {
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        for chunk in buf.chunks_mut(CHUNK) {
            get_random_values(chunk);
        }
        Ok(())
    }
}
