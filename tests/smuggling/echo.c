/* A server that answers every request with what it has read: the header "Saw" says method, target,
 * and size and FNV-1a hash of the body. Its first line names its address; SIGTERM ends it.
 *
 *     smuggling_echo whole       the server collects the body
 *     smuggling_echo streamed    the handler reads it, in small pieces
 *     smuggling_echo unread      nobody reads it, and "Saw" has "- -" for it */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft.h>
#include <weft/http.h>

struct digest {
    size_t size;
    uint32_t hash;
};

static struct digest digest_more(struct digest digest, const char *bytes, size_t size)
{
    digest.size += size;
    for (size_t i = 0; i < size; i++)
        digest.hash = (digest.hash ^ (unsigned char)bytes[i]) * UINT32_C(16777619);
    return digest;
}

static int answer(weft_http *http, const char *body)
{
    const char *query = weft_http_query_text(http);
    const char *saw =
        weft_arena_format(http->arena, "%s %s%s%s %s", weft_http_method(http), weft_http_path(http),
                          *query ? "?" : "", query, body ? body : "- -");
    int err = saw ? weft_http_set_header(http, "Saw", saw) : -ENOMEM;
    return err < 0 ? err : weft_http_send(http, 200, NULL, "", 0);
}

static int answer_digest(weft_http *http, struct digest digest)
{
    return answer(http, weft_arena_format(http->arena, "%zu %08x", digest.size, digest.hash));
}

static const struct digest nothing = { 0, UINT32_C(2166136261) };

static int answer_whole(weft_http *http, void *app)
{
    (void)app;
    weft_slice body = weft_http_body(http);
    return answer_digest(http, digest_more(nothing, body.data, body.size));
}

static int answer_streamed(weft_http *http, void *app)
{
    (void)app;
    struct digest digest = nothing;
    char piece[7];
    ssize_t n;
    while ((n = weft_http_read(http, piece, sizeof piece)) > 0)
        digest = digest_more(digest, piece, (size_t)n);
    return n < 0 ? (int)n : answer_digest(http, digest);
}

static int answer_unread(weft_http *http, void *app)
{
    (void)app;
    return answer(http, NULL);
}

/* Routes name their methods, and how many segments a path has. */
static const char *const methods[] = {
    "GET",   "HEAD", "POST", "PUT",  "PATCH", "DELETE", "OPTIONS",
    "TRACE", "get",  "Get",  "XGET", "PRI",   "TRACK",  "M-SEARCH",
};
static const char *const paths[] = {
    "/", "/:a", "/:a/:b", "/:a/:b/:c", "//:a", "///:a", "/:a//:b/:c",
};
#define METHODS (sizeof methods / sizeof *methods)
#define PATHS   (sizeof paths / sizeof *paths)

static weft_http_route routes[METHODS * PATHS + 1];

static void fill_routes(const char *how)
{
    static const weft_http_route_options streamed = { .stream_body = true };
    weft_http_handler *handler = answer_whole;
    if (strcmp(how, "whole") != 0)
        handler = strcmp(how, "streamed") == 0 ? answer_streamed : answer_unread;
    for (size_t i = 0; i < METHODS * PATHS; i++)
        routes[i] = (weft_http_route){
            .method = methods[i / PATHS],
            .path = paths[i % PATHS],
            .handler = handler,
            .options = handler == answer_whole ? NULL : &streamed,
        };
}

static int serve(void *arg)
{
    (void)arg;
    weft_listener *listener;
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    printf("%s\n", weft_listener_address(listener));
    fflush(stdout);
    err = weft_http_serve_on(listener, routes, .drain = -1);
    weft_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    fill_routes(argc > 1 ? argv[1] : "whole");
    int err = weft_run(serve, NULL);
    return err != -ECANCELED && fprintf(stderr, "echo: %s\n", weft_error_text(err));
}
