/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap_live.c - a program on libpcap: open, filter, inject, nonblocking with select
 *
 * usage: pcap_live answer DEVICE    sends every frame of type 0x88b5 that it hears back, until one
 *                                   says "end"
 *        pcap_live ask DEVICE       100 frames, each answered once, none that the filter leaves out
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#define ASKED 100
#define FRAME 200

static pcap_t *pcap;
static unsigned char sent[FRAME];
static int answered, others, ended;

static void die(const char *what)
{
	printf("%s: %s\n", what, pcap ? pcap_geterr(pcap) : "");
	exit(1);
}

static void open_device(const char *device, const char *expression)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program program;

	pcap = pcap_open_live(device, 65535, 1, 10, why);
	if (!pcap) {
		printf("pcap_open_live: %s\n", why);
		exit(1);
	}
	if (pcap_datalink(pcap) != DLT_EN10MB)
		die("not Ethernet");
	if (pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) ||
	    pcap_setfilter(pcap, &program))
		die("filter");
	pcap_freecode(&program);
	if (pcap_setnonblock(pcap, 1, why))
		die("nonblock");
}

/* Works off what is there, waiting `ms` for it. */
static void hear(pcap_handler handler, int ms)
{
	int fd = pcap_get_selectable_fd(pcap);
	struct timeval wait = { ms / 1000, ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	if (fd < 0 || select(fd + 1, &set, NULL, NULL, &wait) < 0)
		die("select");
	if (pcap_dispatch(pcap, -1, handler, NULL) < 0)
		die("dispatch");
}

/* "question" becomes "reply": what is sent is not what is waited for. */
static void answer(unsigned char *user, const struct pcap_pkthdr *head, const unsigned char *bytes)
{
	unsigned char frame[FRAME] = { 0 };

	(void)user;
	if (head->caplen < 20 || bytes[14] == 'r')
		return;
	memcpy(frame, bytes, head->caplen < FRAME ? head->caplen : FRAME);
	frame[14] = 'r';
	if (pcap_inject(pcap, frame, FRAME) != FRAME)
		die("inject");
	ended = bytes[14] == 'e';
}

static void count(unsigned char *user, const struct pcap_pkthdr *head, const unsigned char *bytes)
{
	(void)user;
	if (bytes[12] != 0x88 || bytes[13] != 0xb5)
		others++;
	else if (bytes[14] == 'r' && bytes[15] == sent[15] && head->len == FRAME &&
		 !memcmp(bytes + 16, sent + 16, FRAME - 16))
		answered++;
}

static void ask_one(unsigned char number)
{
	time_t end = time(NULL) + 10;
	int before = answered;

	memset(sent, 0xff, 12);
	memset(sent + 6, 2, 6);
	sent[12] = 0x88;
	sent[13] = 0xb5;
	sent[14] = 'q';
	sent[15] = number;
	for (int i = 16; i < FRAME; i++)
		sent[i] = (unsigned char)(i * number);
	while (answered == before && time(NULL) < end) {
		if (pcap_inject(pcap, sent, FRAME) != FRAME)
			die("inject");
		for (int i = 0; i < 50 && answered == before; i++)
			hear(count, 20);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	open_device(argv[2], "ether proto 0x88b5 and ether[14] != 0x78");
	setvbuf(stdout, NULL, _IONBF, 0);
	if (!strcmp(argv[1], "answer")) {
		printf("ready\n");
		for (time_t end = time(NULL) + 60; !ended && time(NULL) < end;)
			hear(answer, 1000);
		return !ended;
	}
	for (unsigned char i = 1; i <= ASKED; i++)
		ask_one(i);
	sent[14] = 'e';
	pcap_inject(pcap, sent, FRAME);
	printf("answered %d, others %d\n", answered, others);
	return answered != ASKED || others;
}
