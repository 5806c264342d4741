/* What reading a request's head costs, with the widest runner of this machine against the scalar
 * one (codec/http1_run.c).
 *
 * A request that comes again and again has every branch guessed, which flatters the scalar loop: it
 * learns by heart where each run ends. So there is also a crowd of requests that differ in their
 * headers and in all their lengths, in random order. A real server is between the two.
 *
 *     bench_codec [--help] */

#include "bench.h"
#include "codec/http1_inside.h"
#include "heads.h"

#include <stdlib.h>
#include <string.h>

#define CROWD   64
#define ROUNDS  (1 << 15) /* parses in a run: some 5 ms */
#define HEADERS 16

static const char curl[] = "GET /hello HTTP/1.1\r\n"
                           "Host: localhost:8080\r\n"
                           "User-Agent: curl/7.88.1\r\n"
                           "Accept: */*\r\n"
                           "\r\n";

static const char eight[] = HEAD_EIGHT;

static const char browser[] =
    "GET /product/7?currency=EUR&ref=newsletter HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Referer: https://shop.example.com/search?q=teapot&page=2\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=5f2b7c1e9a0d4f63b8c27d10; theme=dark; consent=essential; cart=3f9a; seen=1\r\n"
    "\r\n";

struct requests {
    const char *texts[CROWD];
    size_t sizes[CROWD];
    int count;
};

struct work {
    const struct requests *requests;
    const struct wf_http1_runner *runner;
};

static uint8_t order[4096]; /* in which a crowd comes */

static double run_parse(void *arg)
{
    static const struct wf_http1_limits limits = WF_HTTP1_LIMITS_DEFAULT;
    static struct wf_http1_header headers[100];
    const struct work *work = arg;
    struct wf_http1_parser parser;
    atomic_store(&wf_http1_run_wide, work->runner->run);
    double start = bench_now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        int at = work->requests->count > 1 ? order[i % (int)sizeof order] : 0;
        wf_http1_request_begin(&parser, &limits, headers);
        if (wf_http1_parse(&parser, work->requests->texts[at], work->requests->sizes[at]) !=
            WF_HTTP1_COMPLETE)
            abort();
        bench_keep(parser.head.size);
    }
    return (bench_now_ns() - start) / ROUNDS;
}

static unsigned dice_below(unsigned count)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + 1;
    return (unsigned)(state >> 33) % count;
}

static char *put_word(char *at, unsigned len_min, unsigned len_max)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    for (unsigned len = len_min + dice_below(len_max - len_min + 1); len > 0; len--)
        *at++ = letters[dice_below(sizeof letters - 1)];
    return at;
}

static char *put(char *at, const char *text)
{
    return stpcpy(at, text);
}

/* A path of any length, a host, and a dozen headers in any order, with values of up to 100 bytes.
 */
static const char *any_request(void)
{
    const char *names[HEADERS] = {
        "Accept",      "Accept-Language", "User-Agent",    "Accept-Encoding",
        "Cookie",      "Referer",         "Cache-Control", "Upgrade-Insecure-Requests",
        "DNT",         "Sec-Fetch-Site",  "Origin",        "Sec-Fetch-Mode",
        "traceparent", "X-Forwarded-For", "X-Request-Id",  "If-None-Match",
    };
    char text[4096], *at = put_word(put(text, "GET /"), 1, 40);
    at = put(put_word(put(at, " HTTP/1.1\r\nHost: "), 3, 20), "\r\n");
    for (unsigned i = 0; i < 11; i++) {
        unsigned pick = i + dice_below(HEADERS - i);
        const char *name = names[pick];
        names[pick] = names[i];
        at = put(put_word(put(put(at, name), ": "), 1, 100), "\r\n");
    }
    put(at, "\r\n");
    return strdup(text);
}

static void add(struct requests *requests, const char *text)
{
    if (!text)
        abort();
    requests->texts[requests->count] = text;
    requests->sizes[requests->count++] = strlen(text);
}

static struct requests make_crowd(void)
{
    struct requests crowd = { .count = 0 };
    while (crowd.count < CROWD)
        add(&crowd, any_request());
    for (size_t i = 0; i < sizeof order; i++)
        order[i] = (uint8_t)dice_below(CROWD);
    return crowd;
}

static void compare(const char *row, const struct requests *requests)
{
    const struct wf_http1_runner *scalar = wf_http1_runner(0), *widest = scalar;
    for (size_t i = 1; wf_http1_runner(i); i++)
        widest = wf_http1_runner(i);
    struct work wide_work = { requests, widest }, scalar_work = { requests, scalar };
    bench_row(row, "ns",
              (struct bench_side[]){ { "weft", widest->name, run_parse, &wide_work },
                                     { "scalar", scalar->name, run_parse, &scalar_work },
                                     { .name = NULL } });
}

static void compare_one(const char *row, const char *text)
{
    struct requests one = { .count = 0 };
    add(&one, text);
    compare(row, &one);
}

int main(int argc, char **argv)
{
    struct requests crowd = make_crowd();
    bench_begin("codec", argc, argv);
    bench_pin(-1);
    compare_one("codec/curl", curl);
    compare_one("codec/eight", eight);
    compare_one("codec/browser", browser);
    compare("codec/crowd", &crowd);
    for (int i = 0; i < crowd.count; i++)
        free((char *)crowd.texts[i]);
    return bench_end();
}
