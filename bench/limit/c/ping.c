/* Raw C ping-pong over UDP multicast: what a bare socket gives, without Go.
 *
 *   ping ping|pong IFINDEX PORT LINES SIZE COUNT WARMUP CPU
 *
 * ping writes the ns of each round trip after the warm-up to standard output, as
 * int64; pong answers until it is killed. Groups and ports are those of the Go
 * programs beside it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int lines, out[2], in[2];
static char buf[2048];

static void must(int ok, const char *what) {
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct sockaddr_in group(int line, int way, int port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port + 2 * way + line)};
	a.sin_addr.s_addr = htonl(0xEFFF5101u + 2 * way + line);
	return a;
}

static void open_line(int line, int back, int ifindex, int port) {
	struct sockaddr_in to = group(line, back, port), from = group(line, 1 - back, port);
	struct ip_mreqn m = {.imr_ifindex = ifindex};
	int one = 1;
	out[line] = socket(AF_INET, SOCK_DGRAM, 0);
	must(setsockopt(out[line], IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m) == 0, "IP_MULTICAST_IF");
	must(connect(out[line], (void *)&to, sizeof to) == 0, "connect");
	in[line] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(in[line], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	must(bind(in[line], (void *)&from, sizeof from) == 0, "bind");
	m.imr_multiaddr = from.sin_addr;
	must(setsockopt(in[line], IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m) == 0, "IP_ADD_MEMBERSHIP");
}

static void send_all(uint64_t seq, int size) {
	memcpy(buf, &seq, 8);
	for (int i = 0; i < lines; i++)
		must(send(out[i], buf, size, MSG_DONTWAIT) == size, "send");
}

/* The first number after last that any line brings. */
static uint64_t await(uint64_t last) {
	for (;;)
		for (int i = 0; i < lines; i++) {
			uint64_t seq;
			if (recv(in[i], buf, sizeof buf, MSG_DONTWAIT) < 8)
				continue;
			memcpy(&seq, buf, 8);
			if (seq > last)
				return seq;
		}
}

int main(int argc, char **argv) {
	must(argc == 9, "arguments");
	int back = !strcmp(argv[1], "pong"), ifindex = atoi(argv[2]), port = atoi(argv[3]);
	int size = atoi(argv[5]), count = atoi(argv[6]), warmup = atoi(argv[7]), cpu = atoi(argv[8]);
	lines = atoi(argv[4]);
	must(lines == 1 || lines == 2, "one or two lines");
	must(size >= 8 && size <= (int)sizeof buf, "size");
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
	for (int i = 0; i < lines; i++)
		open_line(i, back, ifindex, port);
	puts("ready");
	fflush(stdout);
	if (back)
		for (uint64_t last = 0;;) {
			last = await(last);
			send_all(last, size);
		}
	int64_t *took = calloc(count, sizeof *took);
	for (int i = 0; i < warmup + count; i++) {
		int64_t t = now();
		send_all(i + 1, size);
		await(i);
		if (i >= warmup)
			took[i - warmup] = now() - t;
	}
	must(fwrite(took, sizeof *took, count, stdout) == (size_t)count, "write");
	return 0;
}
