//! What runs a machine's guest code.

use super::{CodeWatcher, Engine, Figure, Stats};
use crate::env::Env;
use crate::state::VcpuBlock;

/// An engine that a host provides: it compiles regions to code of its own.
pub trait CodeEngine: Send {
    /// The name that users choose it by.
    fn name(&self) -> &'static str;

    /// As [`Engine::run`].
    fn run(&mut self, env: &mut dyn Env, cpu: &mut VcpuBlock, vcpu: usize);

    /// As [`Engine::flush`].
    fn flush(&mut self);

    /// As [`Engine::stats`].
    fn stats(&self) -> Stats;

    /// As [`Engine::regions`].
    fn regions(&self) -> usize;

    /// Bytes of code in use, and how many there may be.
    fn code_bytes(&self) -> (usize, usize);

    /// Figures of its own, beyond [`Self::stats`].
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }

    /// Tells `watcher` of machine code as it is made from now on. An engine that does not know its
    /// machine code itself has nothing to tell.
    fn watch(&mut self, watcher: Box<dyn CodeWatcher>) {
        drop(watcher);
    }
}

/// The engine that a machine runs with.
pub enum Accelerator {
    /// The interpreter, there on every host.
    Interpreter(Box<Engine>),
    /// One that the host provides.
    Code(Box<dyn CodeEngine>),
}

impl Default for Accelerator {
    fn default() -> Self {
        Self::Interpreter(Box::default())
    }
}

impl Accelerator {
    /// The name that users choose it by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Interpreter(_) => "interp",
            Self::Code(engine) => engine.name(),
        }
    }

    /// As [`Engine::run`].
    pub fn run<E: Env>(&mut self, env: &mut E, cpu: &mut VcpuBlock, vcpu: usize) {
        match self {
            Self::Interpreter(engine) => engine.run(env, cpu, vcpu),
            Self::Code(engine) => engine.run(env, cpu, vcpu),
        }
    }

    /// As [`Engine::flush`].
    pub fn flush(&mut self) {
        match self {
            Self::Interpreter(engine) => engine.flush(),
            Self::Code(engine) => engine.flush(),
        }
    }

    /// As [`Engine::stats`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        match self {
            Self::Interpreter(engine) => engine.stats(),
            Self::Code(engine) => engine.stats(),
        }
    }

    /// As [`Engine::regions`].
    #[must_use]
    pub fn regions(&self) -> usize {
        match self {
            Self::Interpreter(engine) => engine.regions(),
            Self::Code(engine) => engine.regions(),
        }
    }

    /// Figures beyond [`Self::stats`], for people to read: the engine's name and what it tells.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![
            Figure::new("backend", self.name()),
            Figure::new("TB alive", self.regions()),
        ];
        if let Self::Code(engine) = self {
            let (used, all) = engine.code_bytes();
            figures.push(Figure::new("code size", format_args!("{used}/{all}")));
            figures.extend(engine.figures());
        }
        figures
    }
}
