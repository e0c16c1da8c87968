#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A zoo of servers, each unmodified on sock7, kernel clients over a veth: web servers, a proxy, DNS, MQTT, a database, language
# runtimes. What is not installed is skipped. usage: zoo.sh [NAME], all without
. "$(dirname "$0")/lib/net.sh"
net_up
web=$S7_TMP/web
mkdir -p "$web" && chmod 755 "$S7_TMP" "$web"
head -c 3000000 /dev/urandom >"$web/big"; echo hello >"$web/hello"; chmod 644 "$web"/*
have() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || { skip "$1 is not installed"; return 1; }; }
big_ok() { [ "$(in_c curl -sS --max-time 20 "$1/big" | sha256sum)" = "$(sha256sum <"$web/big")" ]; }
served() { # served PORT: sock7 has a socket there
	local pid
	for pid in $(ip netns pids "$S7_NS_S"); do
		"$S7_TOP/build/release/sock7" ss -p "$pid" 2>/dev/null | grep -q ":$1 " && return 0
	done
	return 1
}
START=${1:-all}
want() { [ "$START" = all ] || [ "$START" = "$1" ]; }

if want lighttpd && have lighttpd; then
	printf 'server.document-root="%s"\nserver.port=8001\nserver.bind="0.0.0.0"\nserver.network-backend="sendfile"\n' "$web" >"$S7_TMP/l.conf"
	bg_s lighttpd "${S7_ENV[@]}" lighttpd -D -f "$S7_TMP/l.conf"
	wait_port "$S7_NS_C" $S7_IP_S 8001
	check "lighttpd: 3 MB by sendfile" big_ok http://$S7_IP_S:8001
	check "lighttpd: wrk" bash -c "ip netns exec $S7_NS_C wrk -t1 -c20 -d1 http://$S7_IP_S:8001/hello | grep -q 'requests in' "
	check "lighttpd is on sock7" served 8001
	stop lighttpd
fi
if want apache && have apache2; then
	for mpm in event prefork worker; do
	cat >"$S7_TMP/a.conf" <<A
ServerRoot $S7_TMP
ServerName x
LoadModule mpm_${mpm}_module /usr/lib/apache2/modules/mod_mpm_$mpm.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
Listen 0.0.0.0:8002
PidFile $S7_TMP/a.pid
ErrorLog $S7_TMP/a.log
DocumentRoot $web
A
	bg_s apache "${S7_ENV[@]}" setsid apache2 -D FOREGROUND -f "$S7_TMP/a.conf"
	wait_port "$S7_NS_C" $S7_IP_S 8002
	check "apache $mpm: 3 MB" big_ok http://$S7_IP_S:8002
	check "apache $mpm: ab -c 20 -n 2000" bash -c "ip netns exec $S7_NS_C timeout 30 ab -q -c 20 -n 2000 http://$S7_IP_S:8002/hello | grep -q 'Failed requests:        0'"
	check "apache $mpm is on sock7" served 8002
	stop apache
	done
fi
if want haproxy && have haproxy; then
	bg_s back python3 -m http.server -d "$web" --bind 127.0.0.1 8080
	cat >"$S7_TMP/h.cfg" <<H
global
  nbthread 2
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend f
  bind 0.0.0.0:8003
  default_backend b
frontend t
  mode tcp
  bind 0.0.0.0:8004
  default_backend b2
backend b
  server s1 127.0.0.1:8080
backend b2
  mode tcp
  server s1 127.0.0.1:8080
H
	bg_s haproxy "${S7_ENV[@]}" haproxy -db -f "$S7_TMP/h.cfg"
	wait_port "$S7_NS_C" $S7_IP_S 8003
	check "haproxy http: 3 MB" big_ok http://$S7_IP_S:8003
	check "haproxy tcp (splice): 3 MB" big_ok http://$S7_IP_S:8004
	check "haproxy: 500 requests" bash -c "ip netns exec $S7_NS_C timeout 30 ab -q -c 10 -n 500 http://$S7_IP_S:8003/hello | grep -q 'Failed requests:        0'"
	check "haproxy is on sock7" served 8003
	stop haproxy; stop back
fi
if want socat && have socat; then
	bg_s socat "${S7_ENV[@]}" socat TCP-LISTEN:8005,reuseaddr,fork EXEC:cat
	wait_port "$S7_NS_C" $S7_IP_S 8005
	check "socat fork, exec cat" bash -c "[ \"\$(echo ping | ip netns exec $S7_NS_C timeout 5 socat -t2 - TCP:$S7_IP_S:8005)\" = ping ]"
	stop socat
	bg_s socat "${S7_ENV[@]}" socat UDP-LISTEN:8006,fork EXEC:cat
	sleep 1
	check "socat UDP fork" bash -c "[ \"\$(echo ping | ip netns exec $S7_NS_C timeout 5 socat -t2 - UDP:$S7_IP_S:8006)\" = ping ]"
	stop socat
fi
if want dnsmasq && have dnsmasq; then
	bg_s dnsmasq "${S7_ENV[@]}" dnsmasq -k --no-resolv --no-hosts --address=/test.example/192.0.2.7 --port=5353 --user=root --pid-file= --bind-dynamic --interface=$S7_DEV_S --except-interface=lo
	sleep 1
	check "dnsmasq over UDP" bash -c "ip netns exec $S7_NS_C dig +time=2 +tries=2 @$S7_IP_S -p 5353 test.example +short | grep -q 192.0.2.7"
	check "dnsmasq over TCP" bash -c "ip netns exec $S7_NS_C dig +tcp +time=2 +tries=2 @$S7_IP_S -p 5353 test.example +short | grep -q 192.0.2.7"
	check "dnsmasq is on sock7" served 5353
	stop dnsmasq
fi
if want unbound && have unbound; then
	cat >"$S7_TMP/u.conf" <<U
server:
  interface: 0.0.0.0
  port: 5354
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: "$S7_TMP/u.pid"
  directory: "$S7_TMP"
  use-syslog: no
  access-control: 0.0.0.0/0 allow
  num-threads: 2
  so-reuseport: yes
  local-zone: "example." static
  local-data: "a.example. A 192.0.2.9"
remote-control:
  control-enable: no
U
	bg_s unbound "${S7_ENV[@]}" unbound -d -c "$S7_TMP/u.conf"
	sleep 2
	check "unbound over UDP" bash -c "for i in 1 2 3 4 5 6; do ip netns exec $S7_NS_C dig +time=2 +tries=1 @$S7_IP_S -p 5354 a.example +short | grep -q 192.0.2.9 || exit 1; done"
	check "unbound over TCP" bash -c "ip netns exec $S7_NS_C dig +tcp +time=2 +tries=2 @$S7_IP_S -p 5354 a.example +short | grep -q 192.0.2.9"
	check "unbound is on sock7" served 5354
	stop unbound
fi
if want mosquitto && have mosquitto; then
	printf 'listener 1883 0.0.0.0\nallow_anonymous true\n' >"$S7_TMP/m.conf"
	bg_s mosquitto "${S7_ENV[@]}" mosquitto -c "$S7_TMP/m.conf"
	wait_port "$S7_NS_C" $S7_IP_S 1883
	bg_c sub timeout 15 mosquitto_sub -h $S7_IP_S -t a/b -C 1
	sleep 1
	check "mosquitto: publish" in_c timeout 5 mosquitto_pub -h $S7_IP_S -t a/b -m payload -q 1
	sleep 0.5
	check "mosquitto: the subscriber has it" grep -q payload "$S7_TMP/sub.log"
	check "mosquitto is on sock7" served 1883
	stop mosquitto
fi
if want postgres && [ -x /usr/lib/postgresql/15/bin/postgres ]; then
	pg=/usr/lib/postgresql/15/bin; install -d -o postgres "$S7_TMP/pg"
	su postgres -c "$pg/initdb -D $S7_TMP/pg -A trust >/dev/null" 2>&1
	echo "host all all 0.0.0.0/0 trust" >>"$S7_TMP/pg/pg_hba.conf"
	bg_s postgres setpriv --reuid postgres --regid postgres --clear-groups --inh-caps=+net_raw,+net_admin,+sys_admin,+bpf --ambient-caps=+net_raw,+net_admin,+sys_admin,+bpf "${S7_ENV[@]}" $pg/postgres -D "$S7_TMP/pg" -h 0.0.0.0 -p 5433 -k "$S7_TMP/pg"
	wait_port "$S7_NS_C" $S7_IP_S 5433; sleep 1
	check "postgres: a query" bash -c "[ \"\$(ip netns exec $S7_NS_C timeout 10 psql -h $S7_IP_S -p 5433 -U postgres -tAc 'select 6*7')\" = 42 ]"
	check "postgres: pgbench -i" in_c timeout 60 $pg/pgbench -q -i -h $S7_IP_S -p 5433 -U postgres postgres
	check "postgres: pgbench -c 8, 500 transactions each" in_c timeout 60 $pg/pgbench -c 8 -t 200 -h $S7_IP_S -p 5433 -U postgres postgres
	check "postgres: a connection per transaction" in_c timeout 60 $pg/pgbench -C -c 4 -t 50 -S -h $S7_IP_S -p 5433 -U postgres postgres
	check "postgres is on sock7" served 5433
	stop postgres
fi
if want node && have node; then
	cat >"$S7_TMP/n.js" <<'N'
const h=require('http'),fs=require('fs');h.createServer((q,r)=>{if(q.url=='/big')fs.createReadStream(process.argv[2]+'/big').pipe(r);else r.end('hello\n')}).listen(8007,'0.0.0.0')
N
	bg_s node "${S7_ENV[@]}" node "$S7_TMP/n.js" "$web"
	wait_port "$S7_NS_C" $S7_IP_S 8007
	check "node: 3 MB" big_ok http://$S7_IP_S:8007
	check "node: wrk" bash -c "ip netns exec $S7_NS_C timeout 20 ab -q -c 20 -n 2000 http://$S7_IP_S:8007/hello | grep -q 'Failed requests:        0'"
	check "node is on sock7" served 8007
	stop node
fi
if want java && have java; then
	cat >"$S7_TMP/W.java" <<'J'
import com.sun.net.httpserver.*;import java.net.*;import java.nio.file.*;
public class W{public static void main(String[] a)throws Exception{var s=HttpServer.create(new InetSocketAddress("0.0.0.0",8008),0);
s.createContext("/",x->{byte[] b=x.getRequestURI().getPath().equals("/big")?Files.readAllBytes(Path.of(a[0]+"/big")):"hello\n".getBytes();x.sendResponseHeaders(200,b.length);x.getResponseBody().write(b);x.close();});
s.setExecutor(java.util.concurrent.Executors.newFixedThreadPool(8));s.start();}}
J
	bg_s java "${S7_ENV[@]}" java "$S7_TMP/W.java" "$web"
	for i in 1 2 3 4 5; do wait_port "$S7_NS_C" $S7_IP_S 8008 && break; done
	check "java: 3 MB" big_ok http://$S7_IP_S:8008
	check "java: ab" bash -c "ip netns exec $S7_NS_C timeout 20 ab -q -k -c 20 -n 2000 http://$S7_IP_S:8008/hello | grep -q 'Failed requests:        0'"
	check "java is on sock7" served 8008
	stop java
fi
if want rsync && have rsync; then
	printf 'uid=root\ngid=root\nuse chroot=no\n[w]\npath=%s\n' "$web" >"$S7_TMP/r.conf"
	bg_s rsync "${S7_ENV[@]}" rsync --daemon --no-detach --port 8730 --config "$S7_TMP/r.conf"
	wait_port "$S7_NS_C" $S7_IP_S 8730
	mkdir -p "$S7_TMP/copy"
	check "rsync daemon" bash -c "ip netns exec $S7_NS_C timeout 20 rsync -q rsync://$S7_IP_S:8730/w/big $S7_TMP/copy/ && cmp $S7_TMP/copy/big $web/big"
	stop rsync
fi
finish
