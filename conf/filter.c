/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter.c - the key `filter`: an expression becomes a classic program, by libpcap
 *
 * Ways weighed: linking libpcap (the shared one brings eight libraries into every program that is
 * preloaded into, the static one is not position independent and wants the same eight), a grammar
 * of our own (another language than the one that people know). Chosen: libpcap is opened by name
 * when a section has an expression, and stays; who has none pays nothing. The program is compiled
 * for Ethernet as it stands in the frame, without the kernel's extensions, with the netmask of the
 * section's first IPv4 address. Names in it are looked up once, now.
 * Context: any thread; the dynamic linker's and libpcap's own locks. Callers: check.c, shim (boot).
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/keys.h"

#define LIBRARY "libpcap.so.0.8"
#define LINK_ETHERNET 1
#define SNAPLEN 0x40000
#define ERROR_TEXT 256 /* PCAP_ERRBUF_SIZE */

/* As in <pcap.h>, which is not needed to build; the library's soname speaks for them. */
struct pcap;

struct pcap_program {
	unsigned int count;
	struct sock_filter *insns; /* its struct bpf_insn has the same layout */
};

enum pcap_call { OPEN_DEAD, COMPILE, GETERR, FREECODE, CLOSE, CALLS };

struct pcap_calls {
	struct pcap *(*open_dead)(int link, int snaplen);
	int (*compile)(struct pcap *pcap, struct pcap_program *ret, const char *text, int optimise,
		       uint32_t netmask);
	const char *(*geterr)(struct pcap *pcap);
	void (*freecode)(struct pcap_program *program);
	void (*close)(struct pcap *pcap);
};

static int lib_open(struct pcap_calls *ret_calls, char *ret_why, size_t why_len)
{
	static const char *const names[CALLS] = { "pcap_open_dead", "pcap_compile", "pcap_geterr",
						  "pcap_freecode", "pcap_close" };
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), *at[CALLS];

	if (!lib) {
		snprintf(ret_why, why_len, "needs %s: apt install libpcap0.8", LIBRARY);
		return -ENOENT;
	}
	for (int i = 0; i < CALLS; i++) {
		at[i] = dlsym(lib, names[i]);
		if (!at[i]) {
			snprintf(ret_why, why_len, "%s has no %s", LIBRARY, names[i]);
			return -ENOSYS;
		}
	}
	static_assert(sizeof(at) == sizeof(*ret_calls), "a pointer each");
	memcpy(ret_calls, at, sizeof(at));
	return 0;
}

/*
 * Of the first IPv4 address, in host order, which is how it gets into a program; all ones: there is
 * none, and `ip broadcast` is refused.
 */
static uint32_t netmask_of(const struct conf_iface *iface)
{
	for (uint32_t i = 0; i < iface->address_count; i++) {
		const struct conf_prefix *prefix = &iface->address[i];

		if (!prefix->is_v6 && prefix->len)
			return UINT32_MAX << (32 - prefix->len);
	}
	return UINT32_MAX;
}

static int compile(const struct pcap_calls *calls, const struct conf_iface *iface,
		   struct conf_filter *ret_filter, char *ret_why, size_t why_len)
{
	struct pcap *pcap = calls->open_dead(LINK_ETHERNET, SNAPLEN);
	struct pcap_program program = { 0 };
	int err = -EINVAL;

	if (!pcap)
		return -ENOMEM;
	if (calls->compile(pcap, &program, iface->filter, 1, netmask_of(iface))) {
		snprintf(ret_why, why_len, "%.*s", ERROR_TEXT, calls->geterr(pcap));
	} else {
		if (program.count > CONF_FILTER_INSNS) {
			snprintf(ret_why, why_len, "%u instructions, at most %u", program.count,
				 CONF_FILTER_INSNS);
		} else {
			ret_filter->count = program.count;
			memcpy(ret_filter->insns, program.insns,
			       program.count * sizeof(program.insns[0]));
			err = 0;
		}
		calls->freecode(&program);
	}
	calls->close(pcap);
	return err;
}

const char *conf_object_section(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon || strchr(colon, '.'))
		return ""; /* none, or in a directory's name */
	*colon = '\0';
	return colon + 1;
}

int conf_filter_compile(const struct conf_iface *iface, struct conf_filter *ret_filter,
			char *ret_why, size_t why_len)
{
	struct pcap_calls calls;
	int err;

	ret_why[0] = '\0';
	err = lib_open(&calls, ret_why, why_len);
	return err ? err : compile(&calls, iface, ret_filter, ret_why, why_len);
}
