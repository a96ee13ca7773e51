// The machines of the gallery.

import type { Source } from "./protocol";

export interface MachineSpec {
  id: string;
  title: string;
  about: string;
  /** Short facts: CPU, memory, devices. */
  facts: string[];
  line: string;
  /** Files that are not among the guests. */
  sources: Record<string, Source>;
  /** What to try first. */
  hint: string;
}

const BOARD = "ferrite -M virt,gic-version=3 -cpu cortex-a57";

export const MACHINES: MachineSpec[] = [
  {
    id: "debian",
    title: "Debian kernel and BusyBox",
    about: "Linux 6.1 as Debian builds it for cloud machines, with a BusyBox shell in its initial RAM disk.",
    facts: ["64-bit Arm, Cortex-A57", "512 MiB", "serial console"],
    line: `${BOARD} -m 512 -nographic \\
  -kernel cloud-6.1.Image -initrd cloud-6.1.cpio \\
  -append "console=ttyAMA0 quiet"`,
    sources: {},
    hint: "Try uname -a, cat /proc/cpuinfo, top.",
  },
  {
    id: "debian-smp",
    title: "Debian kernel on four processors",
    about: "The same Linux with four processors. Each runs in a worker of its own, all at the same time, where the browser lets workers share memory.",
    facts: ["64-bit Arm, 4 × Cortex-A57", "512 MiB", "serial console"],
    line: `${BOARD} -smp 4 -m 512 -nographic \\
  -kernel cloud-6.1.Image -initrd cloud-6.1.cpio \\
  -append "console=ttyAMA0 quiet"`,
    sources: {},
    hint: "Try nproc and top. The QMP command query-cpus-fast lists the processors; Figures tells what they take of this computer’s.",
  },
  {
    id: "debian-disk",
    title: "Debian kernel with a disk that stays",
    about: "The same Linux with a 64 MiB disk. What the guest writes to it is kept in this browser and is there after a reload.",
    facts: ["64-bit Arm, Cortex-A57", "512 MiB", "virtio disk and network card"],
    line: `${BOARD} -m 512 -nographic \\
  -kernel cloud-6.1.Image -initrd cloud-6.1.cpio \\
  -append "console=ttyAMA0 quiet" \\
  -drive file=scratch.img,format=raw,if=none,id=scratch \\
  -device virtio-blk-device,drive=scratch \\
  -netdev user,id=net0 -device virtio-net-device,netdev=net0`,
    sources: { "scratch.img": { kind: "empty", size: 64 << 20 } },
    hint: "Write to /dev/vda, sync, and reload this page. ip link set eth0 up && udhcpc -i eth0 connects the card; wget http://page/ then fetches this very page.",
  },
  {
    id: "debian-share",
    title: "Debian’s full kernel with a shared folder",
    about: "Linux 6.1 as Debian builds it for any machine. Files that you upload appear in a folder that the guest mounts, and what it puts there you can download.",
    facts: ["64-bit Arm, Cortex-A57", "512 MiB", "9p folder"],
    line: `${BOARD} -m 512 -nographic \\
  -kernel generic-6.1.Image -initrd generic-6.1.cpio \\
  -append "console=ttyAMA0 quiet" \\
  -fsdev local,id=share,path=share,security_model=none \\
  -device virtio-9p-device,fsdev=share,mount_tag=share`,
    sources: {},
    hint: "Upload a file, then mount -t 9p -o trans=virtio share /mnt && ls /mnt.",
  },
  {
    id: "installer",
    title: "Debian’s installer",
    about: "The text installer of Debian 12, as it starts on a machine without anything: 70 MB to download, and some patience.",
    facts: ["64-bit Arm, Cortex-A57", "768 MiB", "virtio network card"],
    line: `${BOARD} -m 768 -nographic \\
  -kernel installer.Image -initrd installer.cpio.gz \\
  -append "console=ttyAMA0" \\
  -netdev user,id=net0 -device virtio-net-device,netdev=net0`,
    sources: {},
    hint: "Its menus take arrows, Tab and Enter; Go Back leads to the main menu, and from there to a shell.",
  },
  {
    id: "u-boot",
    title: "U-Boot",
    about: "The boot loader as firmware, without any operating system: a prompt in a second.",
    facts: ["64-bit Arm, Cortex-A57", "256 MiB", "flash"],
    line: `${BOARD} -m 256 -nographic -bios u-boot.bin`,
    sources: {},
    hint: "Press a key to stop the countdown; try help, bdinfo, fdt addr $fdtcontroladdr && fdt print /cpus.",
  },
];
