/* ZeroMQ over TCP on loopback, PAIR sockets for round trips, PUSH and PULL for
 * throughput: its plainest and fastest patterns.
 *
 *   zmq ping|pong|send|receive PORT SIZE COUNT WARMUP
 *
 * ping writes the ns of each round trip as int64. receive writes how long COUNT
 * messages took, from the first to the last, as one int64.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

static void must(int ok, const char *what) {
	if (!ok) {
		fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
		exit(1);
	}
}

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static char buf[2048];

static void ping(void *s, int size, int count, int warmup) {
	int64_t *took = calloc(count, sizeof *took);
	for (int i = 0; i < warmup + count; i++) {
		int64_t t = now();
		must(zmq_send(s, buf, size, 0) == size, "send");
		must(zmq_recv(s, buf, sizeof buf, 0) == size, "receive");
		if (i >= warmup)
			took[i - warmup] = now() - t;
	}
	must(fwrite(took, sizeof *took, count, stdout) == (size_t)count, "write");
}

static void receive(void *s, int count) {
	int64_t t = 0;
	for (int i = 0; i < count; i++) {
		must(zmq_recv(s, buf, sizeof buf, 0) > 0, "receive");
		if (i == 0)
			t = now();
	}
	t = now() - t;
	must(fwrite(&t, sizeof t, 1, stdout) == 1, "write");
}

int main(int argc, char **argv) {
	must(argc == 6, "arguments");
	const char *role = argv[1];
	int size = atoi(argv[3]), count = atoi(argv[4]), warmup = atoi(argv[5]);
	char addr[64];
	snprintf(addr, sizeof addr, "tcp://127.0.0.1:%s", argv[2]);
	void *ctx = zmq_ctx_new();
	int pair = !strcmp(role, "ping") || !strcmp(role, "pong");
	int binds = !strcmp(role, "pong") || !strcmp(role, "receive");
	void *s = zmq_socket(ctx, pair ? ZMQ_PAIR : binds ? ZMQ_PULL : ZMQ_PUSH);
	must(s != NULL, "socket");
	must((binds ? zmq_bind(s, addr) : zmq_connect(s, addr)) == 0, addr);
	puts("ready");
	fflush(stdout);
	if (!strcmp(role, "ping"))
		ping(s, size, count, warmup);
	else if (!strcmp(role, "receive"))
		receive(s, count);
	else if (!strcmp(role, "send"))
		for (int i = 0; i < count; i++)
			must(zmq_send(s, buf, size, 0) == size, "send");
	else
		for (;;) {
			int n = zmq_recv(s, buf, sizeof buf, 0);
			must(n > 0 && zmq_send(s, buf, n, 0) == n, "answer");
		}
	zmq_close(s);
	zmq_ctx_term(ctx);
	return 0;
}
