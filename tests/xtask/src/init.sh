#!/bin/sh
# Process 1 of the guests. Options on the kernel command line: `ferrite.cmd=WORD` runs /root/WORD
# if there is such a script; everything else is typed into the shell.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=vt100 PS1='ferrite:\w\$ '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
while read -r module; do insmod "/lib/modules/$module.ko"; done </lib/modules/order
echo "guest ready: $(uname -r), $(nproc) CPUs"
cd /root
while :; do setsid cttyhack sh; done
