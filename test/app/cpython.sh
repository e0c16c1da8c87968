#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# CPython's own network tests (libpython3.11-testsuite), loopback = stack, with the kernel's outcome for every test.
#
# usage: cpython.sh [MODULE...]        S7_KEEP=1 keeps the transcripts
# Left out, on both sides: VSOCK (hangs on some kernels); of test_asyncio everything but the modules that use sockets, and
# test_socket's slow big transfers, so that both sides together take about three minutes. A test whose outcomes differ gets
# one more try on both sides: some of them assert times.
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
py=/usr/bin/python3.11
if ! $py -c 'import test.test_socket' 2>/dev/null; then
	skip "CPython's tests: libpython3.11-testsuite is not installed"
	finish
fi
bare_up
printf '[global]\nloopback = stack\nhugepages = no\nlog = warn\n' >"$S7_TMP/s.conf"
suite=$S7_TOP/test/app/lib/pysuite.py
modules=${*:-test_selectors test_poll test_epoll test_socket test_socketserver test_httplib test_ftplib
	test_asyncio.test_sock_lowlevel test_asyncio.test_server test_asyncio.test_streams test_asyncio.test_selector_events}

options() # options MODULE: what pysuite.py is told beside
{
	printf '%s ' -x VSOCK -s 30
	case $1 in
	test_socketserver) printf '%s ' -u network ;;
	test_asyncio.*) printf '%s ' -x SSL -x ssl ;;
	test_selectors) printf '%s ' -x above_fd_setsize ;;
	esac
}

both() # both MODULE [OPTION...]: transcripts $S7_TMP/MODULE.kernel and .sock7
{
	local module=$1 k
	mkdir -p "$S7_TMP/k" "$S7_TMP/s"
	# shellcheck disable=SC2046
	(cd "$S7_TMP/k" && in_c timeout 200 $py "$suite" "test.$module" $(options "$module") "${@:2}" \
		>"$S7_TMP/$module.kernel" 2>"$S7_TMP/$module.kernel.err") &
	k=$!
	# shellcheck disable=SC2046
	(cd "$S7_TMP/s" && server timeout 200 $py "$suite" "test.$module" $(options "$module") "${@:2}" \
		>"$S7_TMP/$module.sock7" 2>"$S7_TMP/$module.sock7.err")
	wait $k
}

differing() # differing MODULE: the tests whose outcome is not the kernel's
{
	diff <(sort -k2 "$S7_TMP/$1.kernel") <(sort -k2 "$S7_TMP/$1.sock7") | sed -n 's/^[<>] [^ ]* //p' | sort -u
}

counts() { cut -d' ' -f1 "$1" | sort | uniq -c | awk '{ printf "%s%d %s", n++ ? ", " : "", $1, $2 }'; }

for module in $modules; do
	both "$module"
	kernel=$(counts "$S7_TMP/$module.kernel") ours=$(counts "$S7_TMP/$module.sock7")
	mapfile -t odd < <(differing "$module")
	if [ ${#odd[@]} -gt 0 ] && [ ${#odd[@]} -le 10 ]; then
		again=()
		for test in "${odd[@]}"; do again+=(-m "^${test//./\\.}\$"); done
		both "$module" "${again[@]}"
		mapfile -t odd < <(differing "$module")
	fi
	if [ -z "$ours" ]; then
		not_ok "$module: says nothing: $(tail -n 1 "$S7_TMP/$module.sock7.err")"
	elif [ ${#odd[@]} = 0 ]; then
		ok "$module: kernel $kernel; sock7 $ours"
	else
		not_ok "$module: kernel $kernel; sock7 $ours; other than on the kernel: ${odd[*]}"
	fi
done
finish
