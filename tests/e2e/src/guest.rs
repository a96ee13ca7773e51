//! A Linux guest with its console on the process's standard streams.

use std::ffi::{OsStr, OsString};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::console::{BOOT, COMMAND, Console, PROMPT};
use crate::process::{Exit, Ferrite, guests};

/// The kernels that `cargo xtask guests` fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Debian 12's kernel for virtual machines.
    Cloud61,
    /// Debian 12's kernel for any machine.
    Generic61,
    /// Debian 13's kernel for virtual machines.
    Cloud612,
}

impl Kernel {
    fn name(self) -> &'static str {
        match self {
            Self::Cloud61 => "cloud-6.1",
            Self::Generic61 => "generic-6.1",
            Self::Cloud612 => "cloud-6.12",
        }
    }

    /// How its `uname -r` begins.
    #[must_use]
    pub fn release(self) -> &'static str {
        match self {
            Self::Cloud61 | Self::Generic61 => "6.1.0-",
            Self::Cloud612 => "6.12.",
        }
    }

    /// The kernel image.
    #[must_use]
    pub fn image(self) -> PathBuf {
        fetched(format!("{}.Image", self.name()))
    }

    /// The initramfs.
    #[must_use]
    pub fn initrd(self) -> PathBuf {
        fetched(format!("{}.cpio", self.name()))
    }
}

#[track_caller]
fn fetched(name: String) -> PathBuf {
    let path = guests().join(name);
    assert!(
        path.exists(),
        "{} is not there: cargo xtask guests",
        path.display()
    );
    path
}

/// A guest; its console is reached by dereferencing.
pub struct Guest {
    /// The process.
    pub ferrite: Ferrite,
    console: Console,
    started: Instant,
}

impl Guest {
    /// Starts `ferrite` with arguments only, its serial port on the standard streams.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut ferrite = Ferrite::start(args);
        let (output, input) = ferrite.streams();
        Self {
            ferrite,
            console: Console::new(output, input),
            started: Instant::now(),
        }
    }

    /// Starts another emulator, a QEMU, with the same kernel and arguments and waits for its shell.
    #[track_caller]
    pub fn boot_on(program: &Path, kernel: Kernel, args: &str) -> Self {
        let mut command = Command::new(program);
        command
            .args(Self::arguments(kernel, args))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut ferrite = Ferrite::spawn(&mut command);
        let (output, input) = ferrite.streams();
        let mut guest = Self {
            ferrite,
            console: Console::new(output, input),
            started: Instant::now(),
        };
        guest.ready();
        guest
    }

    /// The arguments that start a kernel, split at white space from `args`.
    #[must_use]
    pub fn arguments(kernel: Kernel, args: &str) -> Vec<OsString> {
        let mut line: Vec<OsString> = ["-nographic", "-append"].map(Into::into).into();
        line.push("console=ttyAMA0 loglevel=4".into());
        line.extend(["-kernel".into(), kernel.image().into()]);
        line.extend(["-initrd".into(), kernel.initrd().into()]);
        line.extend(args.split_whitespace().map(Into::into));
        if !args.contains("-M") {
            line.extend(["-M".into(), "virt".into()]);
        }
        line
    }

    /// Starts a kernel and waits for its shell.
    #[track_caller]
    pub fn boot(kernel: Kernel, args: &str) -> Self {
        let mut guest = Self::start(Self::arguments(kernel, args));
        guest.ready();
        eprintln!(
            "{kernel:?} {args}: a shell after {:.1?}",
            guest.started.elapsed()
        );
        guest
    }

    /// Waits for the shell of a guest that was just started.
    #[track_caller]
    pub fn ready(&mut self) {
        self.expect_within("guest ready", BOOT);
        self.expect_within(PROMPT, BOOT);
    }

    /// Switches the guest off from its shell and waits for the end of the process, which has to be
    /// a successful one.
    #[track_caller]
    pub fn power_off(mut self) {
        self.type_line("poweroff -f");
        self.succeeds(COMMAND);
    }

    /// Waits for an end of the process with status 0 and nothing on its error output.
    #[track_caller]
    pub fn succeeds(self, limit: Duration) {
        let Self {
            ferrite, console, ..
        } = self;
        let exit = ferrite.end(limit);
        if exit.code != Some(0) || !exit.stderr.is_empty() {
            console.fail(&format!("ended with {:?}: {}", exit.code, exit.stderr));
        }
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub fn end(self, limit: Duration) -> Exit {
        self.ferrite.end(limit)
    }
}

impl Deref for Guest {
    type Target = Console;

    fn deref(&self) -> &Console {
        &self.console
    }
}

impl DerefMut for Guest {
    fn deref_mut(&mut self) -> &mut Console {
        &mut self.console
    }
}
