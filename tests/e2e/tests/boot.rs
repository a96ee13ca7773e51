//! Kernels, interrupt controllers, CPU models, CPU counts and memory sizes.

use std::process::Command;

use ferrite_e2e::{Guest, Kernel};

/// A machine, and what its guest has to see.
struct Machine {
    kernel: Kernel,
    gic: u32,
    cpu: &'static str,
    cpus: u32,
    mib: u64,
    /// MIDR_EL1's part number, as `/proc/cpuinfo` writes it.
    part: &'static str,
}

/// Features of every model that has the cryptographic extension.
const ARMV8_0: [&str; 8] = [
    "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32",
];

fn boots(machine: &Machine) {
    let Machine {
        kernel,
        gic,
        cpu,
        cpus,
        mib,
        part,
    } = *machine;
    let args = format!("-M virt,gic-version={gic} -cpu {cpu} -smp {cpus} -m {mib}");
    let mut guest = Guest::boot(kernel, &args);
    let release = guest.run("uname -r");
    assert!(release.starts_with(kernel.release()), "{release}");
    assert_eq!(guest.run("uname -m"), "aarch64");
    assert_eq!(guest.run("nproc"), cpus.to_string());
    memory(&mut guest, mib);
    let cpuinfo = guest.run("cat /proc/cpuinfo");
    let lines = |key: &str| -> Vec<String> {
        let of_key = cpuinfo.lines().filter(|line| line.starts_with(key));
        of_key
            .filter_map(|line| line.split_once(": "))
            .map(|(_, v)| v.to_owned())
            .collect()
    };
    let features = lines("Features");
    assert_eq!(features.len(), cpus as usize, "{cpuinfo}");
    for feature in ARMV8_0 {
        assert!(
            features[0].split(' ').any(|f| f == feature),
            "no {feature}: {cpuinfo}"
        );
    }
    assert_eq!(lines("CPU part"), vec![part; cpus as usize], "{cpuinfo}");
    // As Linux calls the two drivers' interrupts.
    let controller = if gic == 2 { "GIC-0" } else { "GICv3" };
    let interrupts = guest.run("cat /proc/interrupts");
    assert!(interrupts.contains(controller), "{interrupts}");
    resident(&guest, mib);
    every_cpu_works(&mut guest, cpus);
    time_passes(&mut guest);
    guest.power_off();
}

/// MemTotal is what is left of RAM after the kernel took its part: the image (up to 40 MiB), a
/// 64th of RAM for its page descriptors, initramfs, per-CPU areas, and the DMA bounce buffer of
/// up to 64 MiB.
fn memory(guest: &mut Guest, mib: u64) {
    let line = guest.run("grep MemTotal /proc/meminfo");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let least = mib * 1024 * 63 / 64 - 128 * 1024;
    assert!((least..=mib * 1024).contains(&kib), "{line} of {mib} MiB");
}

/// The host gives memory as the guest touches it: an idle guest of several GiB takes a fraction.
fn resident(guest: &Guest, mib: u64) {
    let status = format!("/proc/{}/status", guest.ferrite.id());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let kib = kib.expect("the size of the process");
    assert!(
        mib < 2048 || kib < mib * 1024 / 2,
        "{kib} KiB taken for {mib} MiB"
    );
}

/// A command pinned to each CPU runs there, and every CPU takes timer interrupts.
fn every_cpu_works(guest: &mut Guest, cpus: u32) {
    for cpu in 0..cpus {
        let mask = 1 << cpu;
        let stat = guest.run(&format!("taskset {mask:x} cat /proc/self/stat"));
        let field = stat.split_whitespace().nth(38).unwrap_or_default();
        assert_eq!(field, cpu.to_string(), "{stat}");
    }
    let timer = guest.run("grep arch_timer /proc/interrupts");
    let counts: Vec<u64> = timer
        .split_whitespace()
        .skip(1)
        .map_while(|n| n.parse().ok())
        .collect();
    assert_eq!(counts.len(), cpus as usize, "{timer}");
    assert!(counts.iter().all(|count| *count > 0), "{timer}");
}

/// A second of the guest is about one of the host.
fn time_passes(guest: &mut Guest) {
    let start = std::time::Instant::now();
    let guest_time = |text: String| -> f64 {
        text.split(' ')
            .next()
            .and_then(|t| t.parse().ok())
            .unwrap_or(f64::NAN)
    };
    let before = guest_time(guest.run("cat /proc/uptime"));
    guest.run("sleep 2");
    let after = guest_time(guest.run("cat /proc/uptime"));
    let passed = after - before;
    let host = start.elapsed().as_secs_f64();
    assert!(
        passed >= 2.0 && passed <= host + 0.1,
        "{passed} s in the guest, {host} s here"
    );
}

const A53: &str = "0xd03";
const A57: &str = "0xd07";
const A72: &str = "0xd08";

macro_rules! machines {
    ($($(#[$doc:meta])* $name:ident: $kernel:ident $gic:literal $cpu:literal $cpus:literal $mib:literal $part:expr;)*) => {
        $($(#[$doc])* #[test]
        fn $name() {
            boots(&Machine {
                kernel: Kernel::$kernel, gic: $gic, cpu: $cpu, cpus: $cpus, mib: $mib, part: $part,
            });
        })*
    };
}

machines! {
    cloud_6_1_on_gicv2: Cloud61 2 "cortex-a57" 1 512 A57;
    cloud_6_1_on_gicv3_with_four_cpus: Cloud61 3 "cortex-a53" 4 1024 A53;
    cloud_6_1_in_little_memory: Cloud61 2 "max" 1 256 "0x051";
    generic_6_1_on_gicv2_with_four_cpus: Generic61 2 "cortex-a72" 4 2048 A72;
    generic_6_1_on_gicv3: Generic61 3 "max" 1 768 "0x051";
    cloud_6_12_on_gicv2: Cloud612 2 "cortex-a53" 1 1024 A53;
    cloud_6_12_on_gicv3_with_four_cpus_and_8_gib: Cloud612 3 "max" 4 8192 "0x051";
    cloud_6_12_on_gicv3: Cloud612 3 "cortex-a72" 2 3072 A72;
}

/// QEMU's own tree of a machine with other memory and no kernel: what is said about this guest's
/// memory, command line and initramfs has to be ours.
#[test]
fn a_given_device_tree_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("virt.dtb");
    let machine = "-M virt,gic-version=3 -cpu cortex-a57 -smp 2";
    let dump = Command::new("qemu-system-aarch64")
        .args(machine.split_whitespace())
        .args(["-M", &format!("dumpdtb={}", tree.display())])
        .args(["-m", "128"])
        .output()
        .expect("qemu-system-aarch64 starts");
    assert!(dump.status.success(), "{dump:?}");
    let args = format!("{machine} -m 300 -dtb {}", tree.display());
    let mut guest = Guest::boot(Kernel::Cloud61, &args);
    memory(&mut guest, 300);
    assert_eq!(guest.run("nproc"), "2");
    let command_line = guest.run("cat /proc/cmdline");
    assert!(command_line.contains("loglevel=4"), "{command_line}");
    guest.power_off();
}
