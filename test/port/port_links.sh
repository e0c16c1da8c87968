#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# port_links.sh PROGRAM LINK - prepares what a link of port_pingpong needs, runs it, and puts everything back
#
# A veth pair in a namespace of its own for af_packet and af_xdp; hugepages, borrowed and returned, for
# virtio and zero-copy memif. Exit 77: skipped, with the reason.
set -u
program=$1
link=$2
ns=s7port$$
nr=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
pages_before=
run=

skip() {
	echo "skipped: $1"
	exit 77
}

restore() {
	rm -f /tmp/s7-memif.sock /tmp/s7-memifz.sock /tmp/s7-vhost.sock /tmp/s7-vhostp.sock
	[ -z "$run" ] || ip netns del "$ns" 2>/dev/null
	[ -z "$pages_before" ] || echo "$pages_before" >"$nr"
}
trap restore EXIT
trap 'exit 1' INT TERM

[ "$(id -u)" = 0 ] || skip "needs root"
case $link in
af_packet | af_xdp)
	run="ip netns exec $ns"
	ip netns add "$ns" || skip "no network namespaces here"
	ip -n "$ns" link add s7portA type veth peer name s7portB || skip "no veth here"
	ip -n "$ns" link set s7portA up
	ip -n "$ns" link set s7portB up
	;;
virtio | memif_zero_copy)
	[ -w "$nr" ] || skip "no 2 MB hugepages in this kernel"
	pages_before=$(cat "$nr")
	echo $((pages_before + 80)) >"$nr"
	[ "$(cat "$nr")" -ge $((pages_before + 80)) ] || skip "cannot get 80 hugepages"
	;;
esac
$run "$program" "$link"
