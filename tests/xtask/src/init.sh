#!/bin/sh
# Process 1 of the guests: brings the system up and leaves a shell on the console.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=vt100 PS1='ferrite:\w\$ '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
while read -r module; do insmod "/lib/modules/$module.ko"; done </lib/modules/order
echo "guest ready: $(uname -r), $(nproc) CPUs"
cd /root
while :; do setsid cttyhack sh; done
