"""What an emulated board does when it starts."""

from __future__ import annotations

READY = "embedded-lab: ready"
"""The last thing on its console before it waits."""

INIT = f"""#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs -o mode=1777 none /tmp
mount -t debugfs none /sys/kernel/debug 2>/dev/null
hostname -F /etc/hostname
while read -r module; do
  insmod "/lib/modules/$module.ko" || echo "embedded-lab: $module could not be loaded"
done < /lib/modules/order
echo 0 > /proc/sys/kernel/perf_event_paranoid
ip link set lo up
tries=0
while [ ! -e /sys/class/net/eth0 ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
[ -e /sys/class/net/eth0 ] || echo "embedded-lab: there is no network card"
# The addresses of QEMU's user-mode network.
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
dropbear -s -r /etc/dropbear/host_key -p 22 || echo "embedded-lab: the SSH server did not start"
echo "{READY} after $(cut -d ' ' -f 1 /proc/uptime) s"
while :; do sleep 100000; done
"""
