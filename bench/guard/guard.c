/* One operation, so often: what tools/guard counts the instructions and system calls of.
 *
 *     guard                      every operation, in a loop of its own: warm, then n, then 2n times
 *     guard OPERATION COUNT      that one, so often: for callgrind, perf and gdb
 *
 * Without arguments the first line says what the counts depend on, `key: ...`, and each further one
 * names an operation and its n. Before and after what is counted the program calls guard_mark(),
 * three times for each operation, and the tool makes one count of what lies between two calls:
 *
 *     ... warm ... | mark | ... n ... | mark | ... 2n ... | mark
 *
 * The difference of the last two, divided by n, is free of whatever comes once: a loop's start, a
 * scope, a connection. So nothing may be chance: there is one thread, there are no dice, and time
 * passes by being read (clock.c). The numbers are multiples of what the library does every 32nd,
 * 64th or 128th time.
 *
 * An operation answers with an error if it did not do what it is called, so that no count is of a
 * failure. It is here and not in bench_*.c because those measure time, and take what time says. */

#include "bench.h"
#include "clock.h"
#include "codec/http1.h"
#include "codec/http1_inside.h"
#include "context/context.h"
#include "context/stack.h"
#include "heads.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <weft.h>
#include <weft/http.h>

#define OFTEN  4096
#define SELDOM 1024 /* what takes some thousand instructions */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Switches. */

static struct wf_context here, there;

static void switch_back(void *arg)
{
    (void)arg;
    for (;;)
        wf_context_switch(&there, &here);
}

static int switch_and_back(void *arg)
{
    static char stack[16384];
    wf_context_init(&there, stack, sizeof stack, switch_back, NULL);
    for (long i = *(long *)arg; i > 0; i--)
        wf_context_switch(&here, &there);
    wf_context_fini(&there);
    return 0;
}

static int yield_numbers(weft_gen *gen, void *arg)
{
    int err = 0;
    for (uint64_t i = *(uint64_t *)arg; err == 0; i++)
        err = weft_yield(gen, &i);
    return err;
}

static int generate(void *arg)
{
    uint64_t first = 0, item = 0;
    long count = *(long *)arg;
    weft_gen *gen;
    int err = weft_gen_open(&gen, yield_numbers, &first, .item_size = sizeof item);
    if (err < 0)
        return err;
    for (long i = 0; i < count; i++)
        weft_gen_next(gen, &item);
    weft_gen_close(gen);
    return item == (uint64_t)count - 1 ? 0 : -EIO;
}

/* Tasks. */

static int spawn_and_join(void *arg)
{
    int err = 0;
    for (long i = *(long *)arg; i > 0 && err == 0; i--) {
        weft_scope scope;
        weft_scope_begin(&scope);
        weft_spawn(&scope, nothing, NULL);
        err = weft_scope_end(&scope);
    }
    return err;
}

static int spawn_and_await(void *arg)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    for (long i = *(long *)arg; i > 0; i--) {
        weft_task *task;
        weft_spawn(&scope, nothing, NULL, .task = &task);
        weft_await(task);
        weft_task_release(task);
    }
    return weft_scope_end(&scope);
}

static int call_and_release(void *arg)
{
    for (long i = *(long *)arg; i > 0; i--)
        weft_future_release(weft_call(nothing, NULL));
    return 0;
}

static int sleep_0(void *arg)
{
    int err = 0;
    for (long i = *(long *)arg; i > 0 && err == 0; i--)
        err = weft_sleep(0);
    return err;
}

/* Two yield in turn: each is half of it. */
static int yield_in_turn(void *arg)
{
    long half = *(long *)arg / 2;
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, sleep_0, &half);
    weft_spawn(&scope, sleep_0, &half);
    return weft_scope_end(&scope);
}

static int begin_and_end_in_time(void *arg)
{
    int err = 0;
    for (long i = *(long *)arg; i > 0 && err == 0; i--) {
        weft_scope scope;
        weft_scope_begin(&scope, .timeout = WEFT_SECOND);
        err = weft_scope_end(&scope);
    }
    return err;
}

/* Steps. */

struct stepper {
    weft_stackless self;
    long left;
};

static int step(weft_stackless *self, int64_t result)
{
    struct stepper *stepper = weft_stackless_of(self, struct stepper, self);
    if (result < 0 || stepper->left-- == 0)
        return (int)result;
    return weft_then_yield(self, step);
}

static const weft_stackless_kind stepper_kind = WEFT_STACKLESS(step, NULL);

static int step_often(void *arg)
{
    struct stepper stepper = { .left = *(long *)arg };
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_stackless_spawn(&scope, &stepper.self, &stepper_kind);
    return weft_scope_end(&scope);
}

/* Timers. */

static void count_one(void *arg)
{
    ++*(long *)arg;
}

static int call_at_and_cancel(void *arg)
{
    int64_t when = weft_now() + WEFT_SECOND;
    for (long i = *(long *)arg; i > 0; i--)
        weft_handle_cancel(weft_call_at(when, count_one, NULL));
    return 0;
}

/* A crowd is set, and comes due in another order. */
static int call_later_and_run(void *arg)
{
    enum { CROWD = 128 };
    long count = *(long *)arg, called = 0;
    for (long i = 0; i < count; i += CROWD) {
        for (int k = 0; k < CROWD; k++)
            weft_call_later((10 + 37 * k % CROWD) * WEFT_MICROSECOND, count_one, &called);
        guard_clock_pass(WEFT_MILLISECOND);
        while (called < i + CROWD)
            weft_sleep(0);
    }
    return called == count ? 0 : -EIO;
}

static int sleep_1(void *arg)
{
    int err = 0;
    for (long i = *(long *)arg; i > 0 && err == 0; i--)
        err = weft_sleep(1);
    return err;
}

/* Locks, channels, queues, select. */

static int lock_and_unlock(void *arg)
{
    weft_mutex mutex = { 0 };
    int err = 0;
    for (long i = *(long *)arg; i > 0 && err == 0; i--) {
        err = weft_mutex_lock(&mutex);
        weft_mutex_unlock(&mutex);
    }
    return err;
}

struct channels {
    weft_channel of[4];
    int used;
    uint64_t count;
};

static int send_in_turn(void *arg)
{
    struct channels *channels = arg;
    int err = 0;
    for (uint64_t i = 0; i < channels->count && err == 0; i++)
        err = weft_channel_send(&channels->of[(int)(i & 3) % channels->used], &i);
    return err;
}

static int receive_each(struct channels *channels)
{
    uint64_t item = 0;
    int err = 0;
    for (uint64_t i = 0; i < channels->count && err == 0; i++)
        err = weft_channel_receive(&channels->of[0], &item);
    return err < 0 || item == channels->count - 1 ? err : -EIO;
}

static int select_each(struct channels *channels)
{
    uint64_t item = 0;
    weft_case cases[4];
    for (int i = 0; i < 4; i++)
        cases[i] = weft_case_receive(&channels->of[i], &item);
    for (uint64_t i = 0; i < channels->count; i++)
        if (weft_select(cases, 4) != (int)(i & 3))
            return -EIO;
    return item == channels->count - 1 ? 0 : -EIO;
}

static int pass(long count, int used, size_t capacity, int (*receive)(struct channels *channels))
{
    struct channels channels = { .used = used, .count = (uint64_t)count };
    weft_scope scope;
    for (int i = 0; i < used; i++)
        weft_channel_init(&channels.of[i], sizeof(uint64_t), capacity);
    weft_scope_begin(&scope);
    weft_spawn(&scope, send_in_turn, &channels);
    int err = receive(&channels);
    err = weft_scope_leave(&scope, err);
    for (int i = 0; i < used; i++)
        weft_channel_fini(&channels.of[i]);
    return err;
}

static int meet(void *arg)
{
    return pass(*(long *)arg, 1, 0, receive_each);
}

static int pass_through_64(void *arg)
{
    return pass(*(long *)arg, 1, 64, receive_each);
}

static int select_over_4(void *arg)
{
    return pass(*(long *)arg, 4, 0, select_each);
}

static int put_and_get(void *arg)
{
    weft_queue queue;
    uint64_t item = 0;
    int err = weft_queue_init(&queue, sizeof item, 64);
    for (long i = *(long *)arg; i > 0 && err == 0; i--) {
        weft_queue_put(&queue, &item);
        err = weft_queue_get(&queue, &item);
    }
    weft_queue_fini(&queue);
    return err;
}

/* What crosses loops, both of whose sides are this one: with another thread the number of turns in
 * which it arrives would be chance. */

static int post_and_run(void *arg)
{
    enum { BATCH = 128 };
    long count = *(long *)arg, called = 0;
    for (long i = 0; i < count; i += BATCH) {
        for (int k = 0; k < BATCH; k++)
            weft_post(weft_loop_current(), count_one, &called);
        while (called < i + BATCH)
            weft_sleep(0);
    }
    return called == count ? 0 : -EIO;
}

static int mail_and_receive(void *arg)
{
    long item = 0;
    weft_mailbox *box;
    int err = weft_mailbox_new(&box, sizeof item, 64);
    if (err < 0)
        return err;
    for (long i = *(long *)arg; i > 0 && err == 0; i--) {
        weft_mailbox_send(box, &i);
        err = weft_mailbox_receive(box, &item);
    }
    weft_mailbox_release(box);
    return err < 0 || item == 1 ? err : -EIO;
}

/* Streams: 64 bytes there and back. There is room for more, so that one read tells that it had all.
 */

#define PING 64
#define ROOM 1024

static int echo(void *arg)
{
    weft_stream *stream = arg;
    char bytes[ROOM];
    ssize_t n;
    while ((n = weft_read(stream, bytes, sizeof bytes)) > 0)
        if ((n = weft_write(stream, bytes, (size_t)n)) < 0)
            break;
    return (int)n;
}

static int ask(weft_stream *stream, long count)
{
    char bytes[ROOM] = "ping";
    for (long i = 0; i < count; i++) {
        int err = weft_write(stream, bytes, PING);
        if (err < 0 || weft_read(stream, bytes, sizeof bytes) != PING)
            return err < 0 ? err : -EIO;
    }
    return 0;
}

static int ask_echo(weft_stream *near, weft_stream *far, long count)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, echo, far);
    int err = ask(near, count);
    weft_close(near);
    err = weft_scope_leave(&scope, err);
    weft_close(far);
    return err;
}

static int echo_in_memory(void *arg)
{
    weft_stream *near, *far;
    int err = weft_memory_pair(&near, &far);
    return err < 0 ? err : ask_echo(near, far, *(long *)arg);
}

static int echo_over_tcp(void *arg)
{
    weft_listener *listener;
    weft_stream *near, *far;
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    err = weft_connect(&near, weft_listener_address(listener));
    if (err == 0 && (err = weft_accept(listener, &far)) < 0)
        weft_close(near);
    weft_listener_close(listener);
    return err < 0 ? err : ask_echo(near, far, *(long *)arg);
}

/* HTTP. */

static const char eight[] = HEAD_EIGHT;

static int parse_head(void *arg)
{
    static const struct wf_http1_limits limits = WF_HTTP1_LIMITS_DEFAULT;
    static struct wf_http1_header headers[100];
    struct wf_http1_parser parser;
    for (long i = *(long *)arg; i > 0; i--) {
        wf_http1_request_begin(&parser, &limits, headers);
        if (wf_http1_parse(&parser, eight, sizeof eight - 1) != WF_HTTP1_COMPLETE)
            return -EIO;
        bench_keep(parser.head.size);
    }
    return parser.head.header_count == 8 ? 0 : -EIO;
}

static int write_head(void *arg)
{
    static const struct wf_http1_field fields[] = { { "Cache-Control", 13, "no-store", 8 },
                                                    { "X-Request-Id", 12, "5f2b7c1e", 8 } };
    static const struct wf_http1_response_out response = { .status = 200,
                                                           .content_length = 12345,
                                                           .date = "Sun, 09 Sep 2001 01:46:40 GMT",
                                                           .content_type = "application/json",
                                                           .fields = fields,
                                                           .field_count = 2 };
    char window[512];
    for (long i = *(long *)arg; i > 0; i--) {
        ptrdiff_t size = wf_http1_write_response(window, sizeof window, &response);
        if (size < 0)
            return (int)size;
        bench_keep((uint64_t)size);
    }
    return 0;
}

static int hello(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "hello, world\n");
}

static const weft_http_route routes[] = {
    { "GET", "/hello", hello, NULL },
    { NULL, NULL, NULL, NULL },
};

static int fetch_hello(weft_http_client *client)
{
    weft_http_call call = { .url = "http://guard/hello", .client = client };
    int err = weft_arena_new(&call.arena, (size_t)1 << 20);
    if (err == 0)
        err = weft_http_fetch(&call);
    weft_arena_free(call.arena);
    return err < 0 ? err : call.status == 200 && call.body_size == 13 ? 0 : -EIO;
}

/* Server and client, on one connection. */
static int exchange_hello(void *arg)
{
    weft_http_server *server;
    weft_http_client *client;
    int err = weft_http_start(&server, "mem:guard", routes);
    if (err < 0)
        return err;
    err = weft_http_client_new(&client);
    if (err == 0) {
        err = weft_http_client_map(client, "guard", "mem:guard");
        for (long i = *(long *)arg; i > 0 && err == 0; i--)
            err = fetch_hello(client);
        weft_http_client_free(client);
    }
    weft_http_stop(server);
    return err;
}

/* Sixteen requests in one write, and their answers, which should come in one as well. */

#define PIPELINED 16
#define REQUEST   "GET /hello HTTP/1.1\r\nHost: guard\r\n\r\n"

static int ask_hello(weft_stream *stream, int requests, size_t answers_size)
{
    static char room[16384];
    char text[PIPELINED * sizeof REQUEST] = "";
    for (int i = 0; i < requests; i++)
        memcpy(text + (size_t)i * (sizeof REQUEST - 1), REQUEST, sizeof REQUEST - 1);
    int err = weft_write(stream, text, (size_t)requests * (sizeof REQUEST - 1));
    size_t size = 0;
    while (err >= 0 && size < answers_size) {
        err = (int)weft_read(stream, room + size, sizeof room - size);
        size += err > 0 ? (size_t)err : 0;
        err = err == 0 ? -EIO : err;
    }
    return err < 0 ? err : (int)size;
}

static int ask_pipelined(const char *address, long count)
{
    weft_stream *stream;
    int err = weft_connect(&stream, address);
    if (err < 0)
        return err;
    int one = err = ask_hello(stream, 1, 1); /* that long is each of the answers */
    for (long i = 0; i < count && err > 0; i += PIPELINED)
        err = ask_hello(stream, PIPELINED, (size_t)(PIPELINED * one));
    weft_close(stream);
    return err < 0 ? err : err == PIPELINED * one ? 0 : -EIO;
}

static int exchange_pipelined(void *arg)
{
    weft_http_server *server;
    int err = weft_http_start(&server, "127.0.0.1:0", routes);
    if (err < 0)
        return err;
    err = ask_pipelined(weft_http_url(server) + strlen("http://"), *(long *)arg);
    weft_http_stop(server);
    return err;
}

/* All of them. */

static const struct operation {
    const char *name;
    weft_fn *body;
    long count;
} operations[] = {
    { "context switch, there and back", switch_and_back, OFTEN },
    { "generator, a value", generate, OFTEN },
    { "scope, spawn, join", spawn_and_join, OFTEN },
    { "spawn, await, release", spawn_and_await, OFTEN },
    { "call that never suspends", call_and_release, OFTEN },
    { "sleep(0), 1 task", sleep_0, OFTEN },
    { "sleep(0), 2 tasks in turn", yield_in_turn, OFTEN },
    { "scope with a timeout", begin_and_end_in_time, OFTEN },
    { "stackless step", step_often, OFTEN },
    { "timer set, cancelled", call_at_and_cancel, OFTEN },
    { "timer set, run", call_later_and_run, OFTEN },
    { "sleep of 1 ns", sleep_1, OFTEN },
    { "mutex lock, unlock", lock_and_unlock, OFTEN },
    { "channel 0, an item", meet, OFTEN },
    { "channel 64, an item", pass_through_64, OFTEN },
    { "select over 4", select_over_4, OFTEN },
    { "queue put, get", put_and_get, OFTEN },
    { "post, run", post_and_run, OFTEN },
    { "mailbox send, receive", mail_and_receive, OFTEN },
    { "echo of 64 B in memory", echo_in_memory, OFTEN },
    { "echo of 64 B over TCP", echo_over_tcp, SELDOM },
    { "request head of 398 B, parsed", parse_head, SELDOM },
    { "response head, written", write_head, SELDOM },
    { "HTTP hello in memory", exchange_hello, SELDOM },
    { "HTTP 16 pipelined, TCP; each", exchange_pipelined, OFTEN },
};

#define OPERATIONS (sizeof operations / sizeof operations[0])

static void run(const struct operation *operation, long count)
{
    int err = weft_run(operation->body, &count, .spin = -1, .no_signals = true);
    if (err == 0)
        return;
    fprintf(stderr, "guard: %s: %s\n", operation->name, weft_error_text(err));
    exit(1);
}

/* Here callgrind writes what it has counted, and begins anew (--dump-before). */
static __attribute__((noinline)) void guard_mark(void)
{
    __asm__ volatile("" ::: "memory");
}

#ifdef __clang__
#    define COMPILER "clang"
#    define VERSION  __clang_major__, __clang_minor__, __clang_patchlevel__
#else
#    define COMPILER "gcc"
#    define VERSION  __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__
#endif

/* Code and libc's part of it differ with these; so does the way a head is read. */
static void print_key(void)
{
    size_t widest = 0;
    while (wf_http1_runner(widest + 1))
        widest++;
    struct utsname system;
    uname(&system);
    printf("key: %s, " COMPILER " %d.%d.%d%s, glibc %s, %s\n", system.machine, VERSION, GUARD_FLAGS,
           gnu_get_libc_version(), wf_http1_runner(widest)->name);
}

static void run_all(void)
{
    print_key();
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf("%s: %ld\n", operations[i].name, operations[i].count);
        run(&operations[i], operations[i].count);
        guard_mark();
        run(&operations[i], operations[i].count);
        guard_mark();
        run(&operations[i], 2 * operations[i].count);
        guard_mark();
    }
}

static int run_one(const char *name, long count)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        if (strcmp(operations[i].name, name) == 0)
            return run(&operations[i], count), 0;
    fprintf(stderr, "usage: guard [OPERATION COUNT]; an operation is one of:\n");
    for (size_t i = 0; i < OPERATIONS; i++)
        fprintf(stderr, "    %s\n", operations[i].name);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_one(argv[1], argc > 2 ? atol(argv[2]) : 0);
    run_all();
    return 0;
}
