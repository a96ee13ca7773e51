//! `-M`, `-cpu`, `-smp`, `-m`, `-rtc`, `-uuid`: the machine itself.

use std::path::PathBuf;

use ferrite_vm::GicVersion;
use ferrite_vm::config::GICV3_MAX_CPUS;

use super::CliError;
use super::keyval::KeyVal;

/// Bytes of RAM without `-m`, as QEMU.
const DEFAULT_RAM: u64 = 128 << 20;

/// What runs translated code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeBackend {
    /// The best that the host has.
    #[default]
    Best,
    /// The interpreter.
    Interpreter,
    /// The one-pass x86-64 emitter.
    X64,
    /// Cranelift, behind the interpreter.
    Cranelift,
    /// WebAssembly, in hosts that are WebAssembly themselves.
    Wasm,
}

/// How the CPUs run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccelOptions {
    /// `backend=`.
    pub backend: CodeBackend,
    /// `tb-size=`: MiB of translated code to keep.
    pub code_mebibytes: Option<u32>,
    /// `qtest`: no CPU runs, and a test tool has time in its hands.
    pub qtest: bool,
    /// `thread=`: whether each CPU has a thread of its own (`multi`) or all share one (`single`).
    pub threads: Option<bool>,
}

/// What the machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineOptions {
    /// How its CPUs run.
    pub accel: AccelOptions,
    /// GIC version.
    pub gic: GicVersion,
    /// Whether a GICv3 has an interrupt translation service.
    pub its: bool,
    /// CPU model.
    pub cpu: String,
    /// Its properties, and whether they are on.
    pub cpu_properties: Vec<(String, bool)>,
    /// CPUs at start.
    pub cpus: usize,
    /// How they are arranged.
    pub topology: Topology,
    /// No machine at all.
    pub none: bool,
    /// `memory-backend=`: the object that the RAM is described by.
    pub memory_backend: Option<String>,
    /// `dumpdtb=`: where to write the device tree, and leave.
    pub dump_dtb: Option<PathBuf>,
    /// Whether its size was given by `-m`.
    pub ram_given: bool,
    /// Bytes of RAM.
    pub ram: u64,
    /// The machine's UUID, if one was given.
    pub uuid: Option<[u8; 16]>,
    /// What to add to the host's wall clock, nanoseconds.
    pub wall_offset: i64,
}

/// The levels of a topology, from the outside.
const LEVELS: [&str; 5] = ["sockets", "dies", "clusters", "cores", "threads"];

/// How CPUs are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Clusters in a socket.
    pub clusters: usize,
    /// Cores in a cluster.
    pub cores: usize,
    /// Threads in a core.
    pub threads: usize,
    /// How many CPUs there could be.
    pub max_cpus: usize,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            clusters: 1,
            cores: 1,
            threads: 1,
            max_cpus: 1,
        }
    }
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self {
            accel: AccelOptions::default(),
            gic: GicVersion::V2,
            its: true,
            cpu: "max".into(),
            cpu_properties: Vec::new(),
            cpus: 1,
            topology: Topology::default(),
            none: false,
            memory_backend: None,
            dump_dtb: None,
            ram_given: false,
            ram: DEFAULT_RAM,
            uuid: None,
            wall_offset: 0,
        }
    }
}

impl MachineOptions {
    /// Whether each CPU has a thread of its own: where there are several, unless otherwise asked.
    #[must_use]
    pub fn has_threads(&self) -> bool {
        !self.accel.qtest && self.accel.threads.unwrap_or(self.cpus > 1)
    }

    /// `-M`.
    pub fn machine(&mut self, text: &str) -> Result<(), CliError> {
        let mut kv = KeyVal::parse("machine", text, "type")?;
        match kv.take("type").as_deref() {
            None | Some("virt") => {}
            Some("none") => self.none = true,
            Some(other) => return Err(CliError::UnknownMachine(other.to_owned())),
        }
        match kv.take("gic-version").as_deref() {
            None => {}
            Some("2") => self.gic = GicVersion::V2,
            Some("3" | "max") => self.gic = GicVersion::V3,
            Some(_) => return Err(kv.invalid("gic-version", "2, 3 or max").into()),
        }
        self.its = kv.take_bool("its")?.unwrap_or(self.its);
        // Of a list, the first that there is.
        match kv.take("accel").as_deref() {
            None | Some("tcg" | "kvm:tcg" | "hvf:tcg") => {}
            Some("qtest") => self.accel.qtest = true,
            Some(_) => return Err(kv.invalid("accel", "tcg or qtest").into()),
        }
        // What the board does not have may be asked to be absent.
        for absent in [
            "virtualization",
            "secure",
            "mte",
            "usb",
            "graphics",
            "ras",
            "acpi",
            "dump-guest-core",
        ] {
            kv.accept(absent, &["off"])?;
        }
        kv.accept("iommu", &["none"])?;
        self.dump_dtb = kv
            .take("dumpdtb")
            .map(PathBuf::from)
            .or(self.dump_dtb.take());
        self.memory_backend = kv.take("memory-backend").or(self.memory_backend.take());
        Ok(kv.finish()?)
    }

    /// `-accel`.
    pub fn accel(&mut self, text: &str) -> Result<(), CliError> {
        let mut kv = KeyVal::parse("accel", text, "accel")?;
        match kv.take("accel").as_deref() {
            None | Some("tcg") => {}
            Some("qtest") => self.accel.qtest = true,
            Some(_) => return Err(kv.invalid("accel", "tcg or qtest").into()),
        }
        self.accel.threads = match kv.take("thread").as_deref() {
            None => None,
            Some("single") => Some(false),
            Some("multi") => Some(true),
            Some(_) => return Err(kv.invalid("thread", "single or multi").into()),
        };
        self.accel.backend = match kv.take("backend").as_deref() {
            None => CodeBackend::Best,
            Some("interp") => CodeBackend::Interpreter,
            Some("x64") => CodeBackend::X64,
            Some("cranelift") => CodeBackend::Cranelift,
            Some("wasm") => CodeBackend::Wasm,
            Some(_) => {
                let known = "interp, x64, cranelift or wasm";
                return Err(kv.invalid("backend", known).into());
            }
        };
        if let Some(mebibytes) = kv.take_number("tb-size")? {
            let mebibytes = u32::try_from(mebibytes)
                .ok()
                .filter(|n| (1..=1024).contains(n));
            let invalid = || kv.invalid("tb-size", "1 to 1024 MiB");
            self.accel.code_mebibytes = Some(mebibytes.ok_or_else(invalid)?);
        }
        Ok(kv.finish()?)
    }

    /// `-cpu`. Each model has properties of its own: whoever makes the CPU knows them.
    pub fn cpu(&mut self, text: &str) -> Result<(), CliError> {
        let mut parts = text.split(',');
        self.cpu = parts.next().unwrap_or_default().to_owned();
        let mut properties = Vec::new();
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                return Err(CliError::Cpu(format!(
                    "Expected key=value format, found {part}."
                )));
            };
            let on = match value {
                "on" | "yes" | "true" | "y" => true,
                "off" | "no" | "false" | "n" => false,
                _ => {
                    let words = format!("Parameter '{name}' expects 'on' or 'off'");
                    return Err(CliError::Cpu(words));
                }
            };
            properties.push((name.to_owned(), on));
        }
        self.cpu_properties = properties;
        Ok(())
    }

    /// `-smp`.
    pub fn smp(&mut self, text: &str) -> Result<(), CliError> {
        let mut kv = KeyVal::parse("smp", text, "cpus")?;
        let cpus = kv.take_number("cpus")?;
        let max = kv.take_number("maxcpus")?;
        let mut levels = [None; 5];
        for (level, name) in levels.iter_mut().zip(LEVELS) {
            *level = kv.take_number(name)?;
        }
        let refused = |problem: String| Err(CliError::Smp(text.to_owned(), problem));
        let zero = |count: &Option<u64>| *count == Some(0);
        if levels.iter().any(zero) || zero(&cpus) || zero(&max) {
            return refused("CPU topology parameters must be greater than zero".to_owned());
        }
        if levels[1].is_some_and(|dies| dies != 1) {
            return refused("dies not supported by this machine's CPU topology".to_owned());
        }
        let product = |levels: &[Option<u64>; 5]| {
            let levels = levels.iter().flatten();
            levels.fold(1_u64, |product, &count| product.saturating_mul(count))
        };
        let max = max.or(cpus).unwrap_or_else(|| product(&levels));
        let cpus = cpus.unwrap_or(max);
        // What is not said is one, but for the number of cores or sockets.
        let free = [3, 0].into_iter().find(|&level| levels[level].is_none());
        if let Some(level) = free {
            levels[level] = Some((max / product(&levels)).max(1));
        }
        if product(&levels) != max {
            return refused(format!(
                "Invalid CPU topology: product of the hierarchy must match maxcpus: {} != {max}",
                product(&levels)
            ));
        }
        if max < cpus {
            return refused(format!(
                "Invalid CPU topology: maxcpus must be equal to or greater than smp: {max} < {cpus}"
            ));
        }
        if max > cpus && max > GICV3_MAX_CPUS as u64 {
            return refused(format!(
                "Invalid SMP CPUs {max}. The max CPUs supported by machine 'virt' is {GICV3_MAX_CPUS}"
            ));
        }
        let count = |level: Option<u64>| usize::try_from(level.unwrap_or(1)).unwrap_or(usize::MAX);
        self.topology = Topology {
            clusters: count(levels[2]),
            cores: count(levels[3]),
            threads: count(levels[4]),
            max_cpus: count(Some(max)),
        };
        self.cpus = usize::try_from(cpus).unwrap_or(usize::MAX);
        Ok(kv.finish()?)
    }

    /// `-m`.
    pub fn memory(&mut self, text: &str) -> Result<(), CliError> {
        let mut kv = KeyVal::parse("m", text, "size")?;
        if let Some(size) = kv.take_size("size", 'M')? {
            if size == 0 {
                return Err(CliError::ZeroMemory(text.to_owned()));
            }
            self.ram = size.checked_next_multiple_of(8192).unwrap_or(u64::MAX);
            self.ram_given = true;
        }
        Ok(kv.finish()?)
    }

    /// `-uuid`.
    pub fn uuid(&mut self, text: &str) -> Result<(), CliError> {
        self.uuid = Some(parse_uuid(text).ok_or_else(|| CliError::Uuid(text.to_owned()))?);
        Ok(())
    }

    /// `-rtc`.
    pub fn rtc(&mut self, text: &str, wall_ns: u64) -> Result<(), CliError> {
        let mut kv = KeyVal::parse("rtc", text, "base")?;
        kv.accept("clock", &["host", "rt"])?;
        kv.accept("driftfix", &["none"])?;
        match kv.take("base").as_deref() {
            None | Some("utc") => self.wall_offset = 0,
            Some(date) => {
                let seconds = parse_date(date)
                    .ok_or_else(|| kv.invalid("base", "'utc' or a date YYYY-MM-DD[THH:MM:SS]"))?;
                let now = i64::try_from(wall_ns).unwrap_or(i64::MAX);
                self.wall_offset = seconds.saturating_mul(1_000_000_000).saturating_sub(now);
            }
        }
        Ok(kv.finish()?)
    }
}

/// 32 hexadecimal digits, with dashes at the usual places.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.iter().map(|p| p.len()).ne([8, 4, 4, 4, 12]) || !text.is_ascii() {
        return None;
    }
    let digits: String = parts.concat();
    let mut uuid = [0; 16];
    for (byte, pair) in uuid.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(uuid)
}

/// Seconds since 1970 of `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`, in UTC.
fn parse_date(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, at: char| -> Option<Vec<i64>> {
        text.split(at).map(|n| n.parse().ok()).collect()
    };
    let [year, month, day] = numbers(date, '-')?.try_into().ok()?;
    let [hour, minute, second] = numbers(time, ':')?.try_into().ok()?;
    let in_range = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range {
        return None;
    }
    // Days from civil: years that start in March make the leap day the last of the year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smp_forms() {
        let cpus = |text: &str| {
            let mut options = MachineOptions::default();
            options
                .smp(text)
                .map(|()| options.cpus)
                .map_err(|e| e.to_string())
        };
        assert_eq!(cpus("4"), Ok(4));
        assert_eq!(cpus("cpus=2,sockets=1,cores=2,threads=1"), Ok(2));
        assert_eq!(cpus("sockets=2,cores=3"), Ok(6));
        assert!(cpus("4,sockets=3").is_err());
        assert!(cpus("four").is_err());
        assert_eq!(cpus("2,maxcpus=4"), Ok(2));
        assert!(cpus("4,maxcpus=2").is_err());
        let mut options = MachineOptions::default();
        options.smp("2,sockets=2,clusters=2,maxcpus=8").unwrap();
        let Topology {
            clusters,
            cores,
            threads,
            max_cpus,
        } = options.topology;
        assert_eq!((clusters, cores, threads, max_cpus), (2, 2, 1, 8));
    }

    #[test]
    fn dates_and_uuids() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2006-06-17T16:01:21"), Some(1_150_560_081));
        assert_eq!(parse_date("2024-02-29"), Some(1_709_164_800));
        assert_eq!(parse_date("17-06-2006"), None);
        assert_eq!(
            parse_uuid("00112233-4455-6677-8899-aabbccddeeff").map(|u| u[15]),
            Some(0xff)
        );
        assert_eq!(parse_uuid("0011223344556677-8899-aabbccddeeff"), None);
    }

    #[test]
    fn machines() {
        let mut options = MachineOptions::default();
        options.machine("virt,gic-version=3,accel=tcg").unwrap();
        assert_eq!(options.gic, GicVersion::V3);
        assert!(options.machine("pc").is_err());
        assert!(options.machine("virt,virtualization=on").is_err());
        assert!(options.machine("virt,nonsense=1").is_err());
    }
}
