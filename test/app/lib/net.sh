# SPDX-License-Identifier: BSD-3-Clause
# net.sh - two namespaces and a veth pair for one test, and how a test says what it found
#
# Sourced by test/app/*.sh, bench/ and scripts/demo. Everything made here carries the caller's pid in its name and is
# taken down by net_down from the EXIT trap; processes are ended by pid.
#
#   net_up            server side: namespace $S7_NS_S, device $S7_DEV_S, address $S7_IP_S; client side: *_C
#   in_s / in_c CMD   run CMD there;   bg_s / bg_c NAME CMD   in the background, pid in PID_NAME, output in $S7_TMP/NAME.log
#   sock7 CMD         environment for a program on sock7 (short form) on the server's device
#   ok TEXT, not_ok TEXT, skip TEXT, check TEXT CMD...      results;   finish   prints the closing line and exits

S7_TOP=${S7_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)}
S7_LIB=${S7_LIB:-$S7_TOP/build/release/libsock7.so}
S7_TMP=$(mktemp -d "${TMPDIR:-/tmp}/sock7.XXXXXX")
S7_NS_S=s7s$$ S7_NS_C=s7c$$
S7_DEV_S=s7s$$ S7_DEV_C=s7c$$
S7_IP_S=10.77.0.1 S7_IP_C=10.77.0.2
S7_PASSED=0 S7_FAILED=0 S7_SKIPPED=0
S7_PIDS=()

in_s() { ip netns exec "$S7_NS_S" "$@"; }
in_c() { ip netns exec "$S7_NS_C" "$@"; }

net_up()
{
	ip netns add "$S7_NS_S"
	ip netns add "$S7_NS_C"
	ip link add "$S7_DEV_S" netns "$S7_NS_S" type veth peer name "$S7_DEV_C" netns "$S7_NS_C"
	in_s ip link set lo up
	in_c ip link set lo up
	in_s ip addr add "$S7_IP_S/24" dev "$S7_DEV_S"
	in_c ip addr add "$S7_IP_C/24" dev "$S7_DEV_C"
	in_s ip link set "$S7_DEV_S" up
	in_c ip link set "$S7_DEV_C" up
	in_s sysctl -qw net.ipv4.tcp_congestion_control=cubic 2>/dev/null || true
	in_c sysctl -qw net.ipv4.tcp_congestion_control=cubic 2>/dev/null || true
}

net_down()
{
	local pid
	for pid in "${S7_PIDS[@]}"; do kill "$pid" 2>/dev/null; done
	for pid in "${S7_PIDS[@]}"; do
		timeout 5 tail --pid="$pid" -f /dev/null 2>/dev/null || kill -9 "$pid" 2>/dev/null
	done
	for ns in "$S7_NS_S" "$S7_NS_C"; do
		for pid in $(ip netns pids "$ns" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
		ip netns del "$ns" 2>/dev/null
	done
	[ -n "${S7_KEEP:-}" ] || rm -rf "$S7_TMP"
}

bg_in()
{
	local ns=$1 name=$2
	shift 2
	ip netns exec "$ns" "$@" >"$S7_TMP/$name.log" 2>&1 &
	printf -v "PID_$name" %s $!
	S7_PIDS+=($!)
}
bg_s() { bg_in "$S7_NS_S" "$@"; }
bg_c() { bg_in "$S7_NS_C" "$@"; }

stop() # stop NAME: ends a background program and waits for it
{
	local var=PID_$1
	kill "${!var}" 2>/dev/null
	timeout 10 tail --pid="${!var}" -f /dev/null || kill -9 "${!var}"
	wait "${!var}" 2>/dev/null
}

sock7() { env LD_PRELOAD="$S7_LIB" SOCK7_INTERFACE="${S7_IFACE:-$S7_DEV_S}" "$@"; }
S7_ENV=(env LD_PRELOAD="$S7_LIB" SOCK7_INTERFACE="$S7_DEV_S")
S7_ENV_C=(env LD_PRELOAD="$S7_LIB" SOCK7_INTERFACE="$S7_DEV_C")

wait_port() # wait_port NS IP PORT: until something answers (at most 10 s)
{
	local i
	for i in $(seq 100); do
		ip netns exec "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null && return 0
		sleep 0.1
	done
	return 1
}

# A preload that is not there would leave everything to the kernel, and every test would pass.
if [ ! -e "$S7_LIB" ]; then
	echo "not ok - $S7_LIB is missing: cmake --preset release && cmake --build --preset release"
	exit 1
fi

ok() { S7_PASSED=$((S7_PASSED + 1)); echo "ok - $*"; }
not_ok() { S7_FAILED=$((S7_FAILED + 1)); echo "not ok - $*"; }
skip() { S7_SKIPPED=$((S7_SKIPPED + 1)); echo "ok - # skip $*"; }
check()
{
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$text"; else not_ok "$text: $(tail -n 3 <<<"$out" | tr '\n' ' ')"; fi
}

finish()
{
	echo "$S7_PASSED passed, $S7_FAILED failed, $S7_SKIPPED skipped"
	[ "$S7_FAILED" = 0 ]
	exit
}

trap net_down EXIT
