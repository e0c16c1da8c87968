# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib.sh - what the scripts share: packages, builds, namespaces, the tally. Source it; it changes to the
# repository's top. Names of namespaces begin with s7 and carry the script's pid, so runs do not collide.

S7_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$S7_TOP" || exit 1

# One list for building, checking and testing on a fresh Debian 12.
S7_PACKAGES_BUILD="gcc clang libclang-rt-dev clang-format cmake ninja-build pkg-config ccache git python3
	libdpdk-dev libbpf-dev libmnl-dev libinih-dev libnuma-dev libpcap-dev libcriterion-dev
	libelf-dev zlib1g-dev libbsd-dev libmd-dev linux-libc-dev"
S7_PACKAGES_RUN="bpftool iproute2 ethtool procps netbase curl nginx redis-server redis-tools memcached
	iperf3 wrk strace gdb binutils libpython3.11-testsuite stress-ng iputils-ping traceroute tcpdump"
# The servers that only tests run.
S7_PACKAGES_ZOO="haproxy apache2-bin apache2-utils lighttpd socat dnsmasq-base bind9-dnsutils unbound
	mosquitto mosquitto-clients rsync openbsd-inetd"

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "$0: $*"
	exit 1
}

# packages_missing NAME... - those that are not installed
packages_missing() {
	local name
	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed ||
			printf '%s ' "$name"
	done
}

# packages_install NAME... - only what is missing, and only then is apt-get called. Servers that the
# packages bring along are not started.
packages_install() {
	local missing
	missing=$(packages_missing "$@")
	[ -z "$missing" ] && return 0
	[ "$(id -u)" = 0 ] || die "run me as root once, or: apt-get install $missing"
	say "installing: $missing"
	export DEBIAN_FRONTEND=noninteractive
	local policy=/usr/sbin/policy-rc.d made=0
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1
	fi
	mkdir -p build
	# shellcheck disable=SC2086
	{ apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } </dev/null >build/apt.log 2>&1
	local rc=$?
	[ $made = 1 ] && rm -f $policy
	[ $rc = 0 ] && return
	grep -E '^(E|W|Err):' build/apt.log >&2
	die "apt-get could not install: $missing(all of it: build/apt.log)"
}

# build PRESET [TARGET...] - configures and builds; the compiler's output is shown only if it fails
build() {
	local preset=$1 log
	shift
	log=build/$preset.log
	mkdir -p build
	if ! cmake --preset "$preset" >"$log" 2>&1 ||
	   ! cmake --build --preset "$preset" -j "$(nproc)" ${1:+--target "$@"} >>"$log" 2>&1; then
		grep -E -A6 'FAILED|error|Error' "$log" | head -n 60 >&2
		say "build of preset $preset failed; all of it: $log"
		return 1
	fi
}

# ---- namespaces ----

# ns_pair A B [ADDR_A ADDR_B] - two namespaces and a veth pair of the same names with "0" behind
ns_pair() {
	local a=$1 b=$2 addr_a=${3:-192.0.2.1/24} addr_b=${4:-192.0.2.2/24} ns
	ns_delete "$a" "$b"
	ip netns add "$a" && ip netns add "$b" || return 1
	ip link add veth0 netns "$a" type veth peer name veth0 netns "$b" || return 1
	ip -n "$a" addr add "$addr_a" dev veth0
	ip -n "$b" addr add "$addr_b" dev veth0
	for ns in "$a" "$b"; do
		ip -n "$ns" link set lo up
		ip -n "$ns" link set veth0 up
		ip netns exec "$ns" sysctl -qw net.ipv4.tcp_congestion_control=cubic 2>/dev/null
	done
	return 0
}

# ns_delete NAME... - with the processes inside, by their ids
ns_delete() {
	local ns pids
	for ns in "$@"; do
		ip netns list 2>/dev/null | grep -qE "^$ns( |\$)" || continue
		pids=$(ip netns pids "$ns" 2>/dev/null)
		# shellcheck disable=SC2086
		[ -n "$pids" ] && kill $pids 2>/dev/null && sleep 0.2
		pids=$(ip netns pids "$ns" 2>/dev/null)
		# shellcheck disable=SC2086
		[ -n "$pids" ] && kill -9 $pids 2>/dev/null
		ip netns delete "$ns" 2>/dev/null
	done
	return 0
}

# wait_port NS ADDR PORT [SECONDS] - until a TCP connect succeeds
wait_port() {
	local i
	for ((i = 0; i < ${4:-10} * 10; i++)); do
		ip netns exec "$1" timeout 1 bash -c ": </dev/tcp/$2/$3" 2>/dev/null && return 0
		sleep 0.1
	done
	return 1
}

# ---- the tally ----
S7_PASSED=0 S7_FAILED=0 S7_SKIPPED=0

tally() {
	S7_PASSED=$((S7_PASSED + ${1:-0}))
	S7_FAILED=$((S7_FAILED + ${2:-0}))
	S7_SKIPPED=$((S7_SKIPPED + ${3:-0}))
}
