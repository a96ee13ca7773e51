//! A compiler: Cranelift, set up for the host.

use std::sync::Arc;

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable, Flags};
use cranelift_frontend::FunctionBuilderContext;
use ferrite_ir::Region;

use super::emit::{self, EmitError, Host, Output};
use super::frame::Tables;
use super::thunks::Thunks;

/// Machine code that may be put anywhere, and what it refers to.
pub(super) struct Compiled {
    pub code: Vec<u8>,
    /// The code has their address.
    pub tables: Box<Tables>,
    /// Where its exits lead, by their numbers.
    pub exits: Vec<u64>,
}

/// The target, shared by every compiler of a host.
#[derive(Clone)]
pub(super) struct Target {
    pub isa: OwnedTargetIsa,
    pub host: Host,
}

impl Target {
    /// That of the host.
    pub(super) fn native() -> Result<Self, String> {
        if cfg!(not(all(
            target_endian = "little",
            target_pointer_width = "64"
        ))) {
            return Err("it is not a little-endian 64-bit one".to_owned());
        }
        let builder = cranelift_native::builder().map_err(str::to_owned)?;
        let mut flags = settings::builder();
        let verify = if cfg!(debug_assertions) {
            "true"
        } else {
            "false"
        };
        for (name, value) in [
            ("opt_level", "speed"),
            ("enable_verifier", verify),
            ("is_pic", "false"),
            ("unwind_info", "false"),
            ("enable_probestack", "false"),
        ] {
            flags
                .set(name, value)
                .map_err(|problem| problem.to_string())?;
        }
        let isa = builder.finish(Flags::new(flags));
        let isa = isa.map_err(|problem| problem.to_string())?;
        let has = |name| {
            isa.isa_flags()
                .iter()
                .any(|f| f.name == name && f.as_bool() == Some(true))
        };
        let x64 = cfg!(target_arch = "x86_64");
        let host = Host {
            convention: isa.default_call_conv(),
            frontend: isa.frontend_config(),
            fma: !x64 || has("has_fma"),
            ordered: x64,
            simd: match x64 {
                true => has("has_sse41") && has("has_sse42"),
                false => cfg!(target_arch = "aarch64") || has("has_v"),
            },
        };
        if !host.simd {
            return Err("its processor has no vector instructions that are known here".to_owned());
        }
        Ok(Self { isa, host })
    }
}

/// Compiles one region after the other.
pub(super) struct Compiler {
    target: Target,
    thunks: Arc<Thunks>,
    context: Context,
    builder: FunctionBuilderContext,
}

impl Compiler {
    pub(super) fn new(target: Target, thunks: Arc<Thunks>) -> Self {
        Self {
            target,
            thunks,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
        }
    }

    /// Compiles an optimised region.
    pub(super) fn compile(&mut self, region: &Region) -> Result<Compiled, EmitError> {
        let mut tables = Box::<Tables>::default();
        self.context.clear();
        let output = emit::region(
            region,
            &self.thunks,
            self.target.host,
            std::ptr::from_ref::<Tables>(&tables) as u64,
            &mut self.context.func,
            &mut self.builder,
        );
        let Output {
            tables: filled,
            exits,
        } = match output {
            Ok(output) => output,
            Err(error) => {
                // What is half written cannot be built upon.
                self.builder = FunctionBuilderContext::new();
                return Err(error);
            }
        };
        *tables = filled;
        let compiled = self
            .context
            .compile(&*self.target.isa, &mut ControlPlane::default())
            .map_err(|problem| EmitError::Generator(problem.inner.to_string()))?;
        if !compiled.buffer.relocs().is_empty() {
            return Err(EmitError::Generator(
                "code that refers to others".to_owned(),
            ));
        }
        Ok(Compiled {
            code: compiled.code_buffer().to_vec(),
            tables,
            exits,
        })
    }
}
