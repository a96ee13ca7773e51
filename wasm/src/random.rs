//! Random numbers of the page, handed over in advance: the core asks for them without waiting.

use std::io;

use ferrite_machine::backend::RandomSource;
#[cfg(not(target_feature = "atomics"))]
use wasm_bindgen::prelude::wasm_bindgen;

#[cfg(not(target_feature = "atomics"))]
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(into: &mut [u8]);
}

/// Takes all of `bytes`.
#[cfg(target_feature = "atomics")]
fn fill(chunk: &mut [u8], bytes: &[u8]) -> io::Result<()> {
    let whole = bytes.get(..chunk.len());
    chunk.copy_from_slice(whole.ok_or(io::ErrorKind::UnexpectedEof)?);
    Ok(())
}

/// Most bytes that one call of `getRandomValues` gives.
const CHUNK: usize = 65536;

/// `crypto.getRandomValues` of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageRandom;

impl RandomSource for PageRandom {
    fn fill(&mut self, buf: &mut [u8]) -> io::Result<()> {
        for chunk in buf.chunks_mut(CHUNK) {
            #[cfg(not(target_feature = "atomics"))]
            get_random_values(chunk);
            #[cfg(target_feature = "atomics")]
            fill(chunk, &crate::threads::random(chunk.len() as u32))?;
        }
        Ok(())
    }
}
