#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The ways programs use processes, threads and signals: each scenario of progs/pat_* on kernel sockets and on sock7, the
# far side always the kernel's; the transcripts must be equal. A scenario that hangs leaves its stacks in the log.
#   patterns.sh [SCENARIO...]     S7_KEEP=1 keeps the transcripts;  S7_REPEAT=n runs each n times on sock7
. "$(dirname "$0")/lib/net.sh"
net_up
progs=$S7_TOP/test/app/progs
export S7_PEER=$S7_TMP/peer S7_PEER_IP=$S7_IP_C
for p in fork signal thread exec pass; do
	gcc -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-result -pthread -o "$S7_TMP/pat_$p" "$progs/pat_$p.c" ||
		{ not_ok "pat_$p.c compiles"; finish; }
done
cp "$progs/pat_py.py" "$S7_TMP/pat_py" && chmod +x "$S7_TMP/pat_py"
bg_c peer /usr/bin/python3 "$progs/peer.py" $S7_IP_S "$S7_PEER"
for i in $(seq 50); do [ -S "$S7_PEER" ] && break; sleep 0.1; done
ulimit -n 8192
PAT_PORT=7100

stacks() # stacks PIDS...: of every process of a hung scenario
{
	local pid
	for pid in "$@"; do
		echo "--- $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
		timeout 20 gdb -p "$pid" -batch -ex 'thread apply all bt' 2>/dev/null | grep -E '^(Thread|#)'
	done
}

# Runs one scenario in the server's namespace; all that it leaves is ended. Status 124: it hung.
run() # run OUTPUT SECONDS CMD...
{
	local out=$1 limit=$2 pid status=124 i left
	shift 2
	in_s setsid "$@" >"$out" 2>&1 &
	pid=$!
	for i in $(seq $((limit * 20))); do
		kill -0 $pid 2>/dev/null || { wait $pid; status=$?; break; }
		sleep 0.05
	done
	[ $status = 124 ] && stacks $(ip netns pids "$S7_NS_S") >"$out.stacks"
	# A process has left the namespace before its descriptors are closed: the port itself says when the next may listen.
	for i in $(seq 500); do
		left=$(ip netns pids "$S7_NS_S")
		[ -n "$left" ] || [ -n "$(in_s ss -Hltn "sport = :$PAT_PORT")" ] || break
		kill -9 $left 2>/dev/null
		sleep 0.02
	done
	wait $pid 2>/dev/null
	return $status
}

scenario() # scenario PROGRAM NAME: equal transcripts
{
	local prog=$1 name=$2 base=$S7_TMP/$1.$2 i status
	run "$base.kernel" 40 "$S7_TMP/$prog" "$name"
	status=$?
	if [ $status != 0 ]; then
		not_ok "$prog $name: the kernel's own run ends with $status"
		tail -5 "$base.kernel"
		return
	fi
	for i in $(seq "${S7_REPEAT:-1}"); do
		run "$base.sock7" 40 "${S7_ENV[@]}" "$S7_TMP/$prog" "$name"
		status=$?
		if [ $status = 124 ]; then
			not_ok "$prog $name hangs (run $i)"
			cat "$base.sock7" "$base.sock7.stacks" | cut -c1-160
			return
		fi
		# Who is killed may have been inside the stack: the note of the one that repairs it is no part of the transcript.
		sed -i '/^sock7: a thread died inside instance/d' "$base.sock7"
		if [ $status != 0 ] || ! cmp -s "$base.kernel" "$base.sock7"; then
			not_ok "$prog $name differs (run $i, status $status)"
			diff "$base.kernel" "$base.sock7" | head -20
			return
		fi
	done
	ok "$prog $name"
}

only=("$@")
for prog in pat_fork pat_signal pat_thread pat_exec pat_pass pat_py; do
	for name in $("$S7_TMP/$prog"); do
		[ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" $name "* ]] || continue
		scenario $prog "$name"
	done
done
finish
