#!/bin/sh
# Puts what a DHCP server gave to use: udhcpc passes it in variables.
case "$1" in
deconfig)
    ifconfig "$interface" 0.0.0.0
    ;;
bound | renew)
    ifconfig "$interface" "$ip" netmask "$subnet"
    for gateway in $router; do route add default gw "$gateway" dev "$interface"; done
    for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
    ;;
esac
