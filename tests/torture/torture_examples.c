/* Every example under the torture driver, its source unchanged: meson.build compiles each once more
 * with its main() renamed, so that one found in the folder tomorrow is here too.
 *
 * What an example prints is discarded. It has to end, with 0 or 1, and with 0 when nothing went
 * wrong. Servers get a client in the same loop, which talks to them and then interrupts the program
 * as Ctrl-C does; who fetches gets a server there. Loops are on virtual time, so that no example
 * takes as long as it says. */

#include "redis_peer.h"
#include "torture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/file.h>
#include <weft/http.h>
#include <weft/scope.h>
#include <weft/stream.h>
#include <weft/task.h>

/* What an example is given, and what runs beside it in its first loop. */
struct peer {
    const char *name; /* the example's */
    weft_fn *fn;      /* NULL: nothing runs beside it */
    bool is_client;   /* it interrupts the program when it ends */
    const char *word; /* the example's argument; NULL: an address */
    const char *second_word, *third_word;
    bool is_real; /* the program has several loops, and real time */
};

static struct {
    const struct peer *peer; /* still to be started; NULL */
    bool is_missing;         /* it could not be started */
    bool is_interrupted;
} now;

static char address[32], url[64];
static const char behind[] = "mem:behind";
static char folder[] = "/tmp/weft-examples-XXXXXX", file[64], settings[64];

/* All of 127.0.0.0/8 is this machine: other runs have other addresses. */
static void make_addresses(void)
{
    unsigned pid = (unsigned)getpid();
    snprintf(address, sizeof address, "127.%u.%u.%u:7777", 1 + pid % 200, pid / 200 % 256,
             1 + pid / 51200 % 200);
    snprintf(url, sizeof url, "http://%s/", address);
}

#define FILE_SIZE 200000

static void make_file(const char *path, size_t size)
{
    static const char zeros[FILE_SIZE];
    FILE *out = fopen(path, "w");
    torture_require(out && fwrite(zeros, 1, size, out) == size);
    fclose(out);
}

static void make_folder(void)
{
    torture_require(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(settings, sizeof settings, "%s/settings", folder);
    make_file(file, FILE_SIZE);
    make_file(settings, 0);
}

static void remove_folder(void)
{
    unlink(file);
    unlink(settings);
    rmdir(folder);
}

/* Ctrl-C, once the program listens to it. */
static void interrupt(void)
{
    struct sigaction action;
    if (now.is_interrupted || sigaction(SIGINT, NULL, &action) < 0 || action.sa_handler == SIG_DFL)
        return;
    now.is_interrupted = true;
    raise(SIGINT);
}

/* Peers. */

/* A connection that fails only because the driver says so needs a deadline; in the calm run it
 * could strike while the kernel still carries bytes. */
static int within_limit(weft_fn *fn, void *arg)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = torture_is_calm() ? 0 : WEFT_SECOND);
    return weft_scope_leave(&scope, fn(arg));
}

static int converse(void *arg)
{
    weft_stream *stream = arg;
    char answer[5];
    int err = weft_write(stream, "hello", 5);
    if (err >= 0)
        err = weft_read_exact(stream, answer, sizeof answer);
    torture_require(err < 0 || memcmp(answer, "hello", 5) == 0);
    return err;
}

static int read_to_end(void *stream)
{
    char byte;
    return (int)weft_read(stream, &byte, 1);
}

/* Two clients; one is still there when the server ends. */
static int echo_client(void *arg)
{
    (void)arg;
    weft_stream *first, *second;
    int err = weft_sleep(WEFT_MILLISECOND); /* it listens by then */
    if (err < 0 || (err = weft_connect(&second, address)) < 0)
        return err;
    err = weft_connect(&first, address);
    if (err >= 0) {
        err = within_limit(converse, first);
        weft_close(first);
    }
    interrupt();
    if (err >= 0)
        err = within_limit(read_to_end, second);
    weft_close(second);
    return err;
}

/* One that has patience for as long as it takes a machine that is busy. */
static int cores_client(void *arg)
{
    weft_stream *stream;
    weft_scope scope;
    char byte;
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    if (err < 0 || (err = weft_connect(&stream, address)) < 0)
        return err;
    weft_scope_begin(&scope, .timeout = torture_is_calm() ? 0 : 20 * WEFT_MILLISECOND);
    err = (int)weft_read(stream, &byte, 1);
    err = weft_scope_leave(&scope, err < 0 ? err : 0);
    weft_close(stream);
    return err;
}

static int get(const char *path, int status, const char *body)
{
    weft_http_call call = { 0 };
    int err = weft_arena_new(&call.arena, 0);
    if (err < 0)
        return err;
    call.url = weft_arena_format(call.arena, "http://%s%s", address, path);
    err = call.url ? within_limit((weft_fn *)weft_http_fetch, &call) : -ENOMEM;
    torture_require(err < 0 || call.status == status || !torture_is_calm());
    if (call.status == 200)
        torture_require(err < 0 || strcmp(call.body, body) == 0);
    weft_arena_free(call.arena);
    return err;
}

static int gateway_client(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    if (err >= 0)
        err = get("/basket/7", 200,
                  "{\"user\":{\"id\":\"7\",\"name\":\"Ada\"},\"cart\":[\"tea\",\"bread\"]}\n");
    if (err >= 0)
        err = get("/basket/slow", 502, "");
    return err < 0 ? err : get("/nothing", 404, "");
}

static int fetch_file(void *arg)
{
    weft_stream *stream = arg;
    static char data[FILE_SIZE];
    char line[300] = "";
    int err = weft_write(stream, "nothing\nfile\n", 13);
    if (err >= 0)
        err = (int)weft_read_line(stream, line, sizeof line);
    if (err >= 0)
        err = (int)weft_read_line(stream, line, sizeof line);
    torture_require(!torture_is_calm() || strcmp(line, "ok 200000") == 0);
    if (err < 0 || strncmp(line, "ok", 2) != 0)
        return err;
    err = weft_read_exact(stream, data, sizeof data);
    return err < 0 ? err : weft_write(stream, "\n", 1); /* and goes without hearing the names */
}

static int send_file_client(void *arg)
{
    (void)arg;
    weft_stream *stream;
    int err = weft_sleep(WEFT_MILLISECOND);
    if (err < 0 || (err = weft_connect(&stream, address)) < 0)
        return err;
    err = within_limit(fetch_file, stream);
    weft_close(stream);
    return err;
}

/* The server behind the proxy, and who comes through. */
static int answer_behind(weft_stream *client, void *arg)
{
    char line[64];
    (void)arg;
    ssize_t n = weft_read_line(client, line, sizeof line);
    int err = n < 0 ? (int)n : weft_write(client, "heard\n", 6);
    return err < 0 ? err : weft_shutdown_write(client);
}

static int serve_behind(void *arg)
{
    (void)arg;
    return weft_serve(behind, answer_behind);
}

static int ask_behind(void *arg)
{
    weft_stream *stream = arg;
    char line[64];
    int err = weft_write(stream, "hello\n", 6);
    if (err == 0)
        err = weft_shutdown_write(stream);
    if (err == 0)
        err = (int)weft_read_line(stream, line, sizeof line);
    torture_require(!torture_is_calm() || (err > 0 && strcmp(line, "heard") == 0));
    return err < 0 ? err : 0;
}

static int come_through(void *arg)
{
    (void)arg;
    weft_stream *stream;
    int err = weft_sleep(WEFT_MILLISECOND);
    if (err < 0 || (err = weft_connect(&stream, address)) < 0)
        return err;
    err = within_limit(ask_behind, stream);
    weft_close(stream);
    return err;
}

static int proxy_client(void *arg)
{
    (void)arg;
    weft_scope s;
    weft_scope_begin(&s);
    int err = weft_spawn(&s, serve_behind, NULL);
    if (err == 0)
        err = come_through(NULL);
    weft_scope_cancel(&s, "they were here");
    return weft_scope_leave(&s, err);
}

/* Who writes the settings; what is told of it, and when, is the kernel's to say. */
static int watch_client(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    int fd = err < 0 ? err : weft_file_open(settings, O_WRONLY);
    if (fd < 0)
        return fd;
    err = (int)weft_file_write_at(fd, "a = 1\n", 6, 0);
    weft_file_close(fd);
    return err < 0 ? err : weft_sleep(WEFT_MILLISECOND);
}

static int page(weft_http *http, void *app)
{
    (void)app;
    return weft_http_text(http, 200, "a page");
}

static int site(void *arg)
{
    static const weft_http_route routes[] = { { "GET", "/", page, NULL }, { 0 } };
    (void)arg;
    return weft_http_serve(address, routes);
}

/* The server of Redis's commands, and who comes meanwhile. */
static int beside_redis(weft_fn *client)
{
    weft_scope s;
    weft_scope_begin(&s);
    int err = weft_spawn(&s, redis_peer_serve, NULL);
    if (err == 0)
        err = weft_sleep(WEFT_MILLISECOND);
    if (err == 0)
        err = client(NULL);
    weft_scope_cancel(&s, "they were here");
    return weft_scope_leave(&s, err);
}

static int ask_oslo(void *arg)
{
    (void)arg;
    return get("/weather/oslo", 200, "it rains in oslo\n");
}

/* One that leaves, two that share, and one who finds it. */
static int ask_cache(void *arg)
{
    weft_scope both;
    int err = get("/weather/oslo?within=100", 504, "");
    if (err < 0)
        return err;
    weft_scope_begin(&both);
    weft_spawn(&both, ask_oslo, NULL);
    err = weft_scope_leave(&both, ask_oslo(arg));
    return err < 0 ? err : ask_oslo(arg);
}

static int cache_client(void *arg)
{
    (void)arg;
    return beside_redis(ask_cache);
}

static int read_prompts(weft_stream *stream)
{
    char text[12];
    int err = weft_read_exact(stream, text, sizeof text);
    torture_require(err < 0 || !torture_is_calm() || memcmp(text, "room? name? ", 12) == 0);
    return err;
}

static int talk(void *arg)
{
    weft_stream *stream = arg;
    char line[100] = "";
    int err = weft_write(stream, "kitchen\nann\nhello\n", 18);
    if (err == 0)
        err = read_prompts(stream);
    if (err == 0)
        err = (int)weft_read_line(stream, line, sizeof line);
    torture_require(err < 0 || !torture_is_calm() || strcmp(line, "* ann is here") == 0);
    if (err >= 0)
        err = (int)weft_read_line(stream, line, sizeof line);
    torture_require(err < 0 || !torture_is_calm() || strcmp(line, "ann: hello") == 0);
    return err;
}

static int enter_chat(void *arg)
{
    weft_stream *stream;
    (void)arg;
    int err = weft_sleep(WEFT_SECOND); /* it looks for Redis at times of its own */
    if (err < 0 || (err = weft_connect(&stream, address)) < 0)
        return err;
    err = within_limit(talk, stream);
    weft_close(stream);
    return err;
}

static int chat_client(void *arg)
{
    (void)arg;
    return beside_redis(enter_chat);
}

/* One turn of work, and somewhat more. */
static int watch_work(void *arg)
{
    (void)arg;
    int err = weft_sleep(4 * WEFT_SECOND);
    torture_require(err < 0 || !torture_is_calm() || redis_peer_done() == 1);
    return err;
}

static int jobs_client(void *arg)
{
    (void)arg;
    return beside_redis(watch_work);
}

static int ask_board(void *arg)
{
    weft_http_call call = { .method = "POST" };
    (void)arg;
    int err = weft_arena_new(&call.arena, 0);
    if (err < 0)
        return err;
    call.url = weft_arena_format(call.arena, "http://%s/players/ada?points=7.5", address);
    err = call.url ? within_limit((weft_fn *)weft_http_fetch, &call) : -ENOMEM;
    torture_require(err < 0 || call.status == 204 || !torture_is_calm());
    weft_arena_free(call.arena);
    if (err >= 0)
        err = get("/players/ada", 200, "{\"rank\":1,\"points\":7.5}\n");
    return err < 0 ? err : get("/top", 200, "[{\"name\":\"ada\",\"points\":7.5}]\n");
}

static int leaderboard_client(void *arg)
{
    (void)arg;
    return beside_redis(ask_board);
}

static int ask_twice(void *arg)
{
    (void)arg;
    int err = get("/hello/you", 200, "hello, you\n");
    return err < 0 ? err : get("/hello/you", 429, "hello, you\n"); /* where nothing fails */
}

static int limiter_client(void *arg)
{
    (void)arg;
    return beside_redis(ask_twice);
}

static const struct peer peers[] = {
    { "cache", cache_client, true, NULL, REDIS_PEER_ADDRESS, NULL, false },
    { "chat", chat_client, true, NULL, REDIS_PEER_ADDRESS, NULL, false },
    { "jobs", jobs_client, true, REDIS_PEER_ADDRESS, NULL, NULL, false },
    { "leaderboard", leaderboard_client, true, NULL, REDIS_PEER_ADDRESS, NULL, false },
    { "limiter", limiter_client, true, NULL, REDIS_PEER_ADDRESS, "1", false },
    { "cores", cores_client, true, NULL, NULL, NULL, true },
    { "echo", echo_client, true, NULL, NULL, NULL, false },
    { "gateway", gateway_client, true, NULL, NULL, NULL, false },
    { "fetch", site, false, NULL, NULL, NULL, false },
    { "send_file", send_file_client, true, NULL, folder, NULL, false },
    { "proxy", proxy_client, true, NULL, behind, NULL, false },
    { "sleepers", NULL, false, "4", NULL, NULL, false },
    { "watch", watch_client, true, settings, NULL, NULL, false },
};

/* A server that accepts nobody keeps its client waiting: somebody loses patience. Not in the calm
 * run, where the clock may run ahead of the kernel. */
static void lose_patience(void *arg)
{
    (void)arg;
    if (!torture_is_calm())
        interrupt();
}

static void client_has_ended(void *arg)
{
    (void)arg;
    interrupt();
}

static void start_peer(weft_loop *loop)
{
    const struct peer *peer = now.peer;
    now.peer = NULL;
    if (!peer)
        return;
    weft_drop_fn *drop = peer->is_client ? client_has_ended : NULL;
    int err = weft_spawn(weft_loop_background(loop), peer->fn, NULL, .name = "peer", .drop = drop);
    if (!peer->is_client && err == 0)
        err = weft_call_later(WEFT_HOUR, lose_patience, NULL).id == 0 ? -ENOMEM : 0;
    now.is_missing = err < 0;
}

static void interrupt_if_alone(void)
{
    if (now.is_missing)
        interrupt();
}

/* Examples. */

typedef int main_fn(int argc, char **argv);

#define EXAMPLE(symbol, text) main_fn example_##symbol;
#include "example_list.h"
#undef EXAMPLE

static main_fn *const mains[] = {
#define EXAMPLE(symbol, text) example_##symbol,
#include "example_list.h"
#undef EXAMPLE
};

static int run_example(const struct torture_scenario *scenario);

static void check(int status)
{
    torture_require(status == 0 || (status == 1 && !torture_is_calm()));
}

static const struct torture_scenario scenarios[] = {
#define EXAMPLE(symbol, text)                                                                      \
    { .name = text,                                                                                \
      .program = run_example,                                                                      \
      .check = check,                                                                              \
      .born = start_peer,                                                                          \
      .suspends = interrupt_if_alone },
#include "example_list.h"
#undef EXAMPLE
};

static int run_example(const struct torture_scenario *scenario)
{
    char name[64];
    char *words[] = { name, NULL, NULL, NULL, NULL };
    int count = 1;
    snprintf(name, sizeof name, "%s", scenario->name);
    now.peer = NULL;
    now.is_missing = now.is_interrupted = false;
    for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
        if (strcmp(peers[i].name, name) != 0)
            continue;
        now.peer = peers[i].fn ? &peers[i] : NULL;
        if (peers[i].is_real)
            torture_keep_time();
        words[count++] = peers[i].word        ? (char *)(uintptr_t)peers[i].word
                         : peers[i].is_client ? address
                                              : url;
        if (peers[i].second_word)
            words[count++] = (char *)(uintptr_t)peers[i].second_word;
        if (peers[i].third_word)
            words[count++] = (char *)(uintptr_t)peers[i].third_word;
    }
    return mains[scenario - scenarios](count, words);
}

int main(void)
{
    make_addresses();
    make_folder();
    torture_hush();
    int status = torture(scenarios, TORTURE_COUNT(scenarios));
    remove_folder();
    return status;
}
