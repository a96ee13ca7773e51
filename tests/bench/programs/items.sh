#!/bin/sh
# Debian's programs, one item after the other: prints the kind and name of each, and the seconds
# that it took by the guest's clock. Runs in Debian's own files, where /bench holds this folder and
# /tmp is in memory. Names as arguments select some.

cd /tmp || exit
lib=/usr/lib/aarch64-linux-gnu
export PATH=/usr/bin:/bin LANG=C.UTF-8 HOME=/tmp

chosen=" $* "

# wanted NAME: whether an item was selected, or all are.
wanted() {
    case $chosen in
    "  " | *" $1 "*) ;;
    *) false ;;
    esac
}

now() { date +%s%N; }

# item KIND NAME COMMAND...
item() {
    kind=$1 name=$2
    wanted "$name" || return
    shift 2
    start=$(now)
    if "$@" >/tmp/out 2>&1; then
        end=$(now)
        echo "$kind $name $start $end" | mawk '{ printf "item %s %s %.3f\n", $1, $2, ($4 - $3) / 1e9 }'
    else
        echo "failed $kind $name: $(tail -n 1 /tmp/out)"
    fi
}

# cipher NAME ARGUMENTS...: the seconds for 100 MB, from the rate that OpenSSL measures.
cipher() {
    name=$1
    wanted "$name" || return
    shift
    openssl speed -mr -seconds 1 -bytes 8192 "$@" 2>/dev/null |
        mawk -F: -v name="$name" '/^\+F/ { printf "item crypto %s %.4f\n", name, 1e8 / $NF }'
}

# signature NAME ARGUMENT: the seconds for 100 signatures and 100 verifications.
signature() {
    wanted "$1" || return
    openssl speed -mr -seconds 1 "$2" 2>/dev/null |
        mawk -F: -v name="$1" '/^\+F[0-9]/ { printf "item compute %s %.4f\n", name, 100 / $4 + 100 / $5 }'
}

head -c 3000000 $lib/libcrypto.so.3 >data

item compute 7zip-pack 7zz a -mmt1 -mx5 data.7z data
item compute 7zip-unpack 7zz t -mmt1 data.7z
item compute xz-pack xz -T1 -k -4 data
item compute xz-unpack xz -t data.xz
item compute gzip-pack gzip -k -6 data
item compute gzip-unpack gzip -t data.gz
item compute zstd-pack zstd -q --single-thread -12 data
item compute zstd-unpack sh -c 'for i in 1 2 3 4 5 6 7 8 9; do zstd -t data.zst; done'
cipher aes-128-gcm -evp aes-128-gcm
cipher aes-256-cbc -evp aes-256-cbc
cipher chacha20-poly1305 -evp chacha20-poly1305
cipher sha1 -evp sha1
cipher sha256 -evp sha256
cipher sha512 -evp sha512
signature openssl-rsa2048 rsa2048
signature openssl-p256 ecdsap256
item compute python3 python3.11 /bench/mixed.py
item compute lua lua5.4 /bench/mixed.lua
item compute perl perl /bench/mixed.pl
item compute sqlite3 sqlite3 :memory: '.read /bench/mixed.sql'
item compute cc1 /usr/lib/gcc/aarch64-linux-gnu/12/cc1 -quiet -O2 -imultiarch aarch64-linux-gnu /bench/workload.c -o /tmp/workload.s
item generating luajit luajit /bench/mixed.lua
item generating nodejs nodejs /bench/mixed.js
item generating java /usr/lib/jvm/java-17-openjdk-arm64/bin/keytool -genkeypair -keyalg RSA \
    -keysize 2048 -dname CN=bench -storepass benchmark -keystore /tmp/store
echo "items done"
