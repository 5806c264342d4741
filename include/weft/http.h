#ifndef WEFT_HTTP_H
#define WEFT_HTTP_H

/* HTTP/1.1: a server with routes, and a client that keeps its connections. Link with weft-http.
 *
 *     static int hello(weft_http *http, void *app)
 *     {
 *         (void)app;
 *         return weft_http_text(http, 200, "hello, %s\n", weft_http_param(http, "name"));
 *     }
 *
 *     static const weft_http_route routes[] = {
 *         { "GET", "/hello/:name", hello, NULL },
 *         { NULL, NULL, NULL, NULL },
 *     };
 *
 *     static int serve(void *address)
 *     {
 *         return weft_http_serve(address, routes);
 *     }
 *
 * A handler runs in a task of its connection's: it may sleep, fetch, spawn. What it needs for one
 * request it takes from the exchange's arena; nothing is to be freed. */

#include <weft/arena.h>
#include <weft/buffer.h>
#include <weft/define.h>
#include <weft/stream.h>

WEFT_BEGIN_DECLS

/* One request and its answer. Lives until the handler has returned. */
typedef struct weft_http {
    weft_arena *arena; /* memory for this exchange, taken back after it */
} weft_http;

/* A header field; a list of them ends with { NULL, NULL }. */
typedef struct weft_http_field {
    const char *name;
    const char *value;
} weft_http_field;

/* Answers one request. `app` is the server's `.app`. A negative return is logged and, where no
 * response was sent, answers 500; so does a handler that sends none. */
typedef int weft_http_handler(weft_http *http, void *app);

/* Limits of one route, where they differ from the server's. Zero: the server's. */
typedef struct weft_http_route_options {
    int64_t timeout;  /* of the handler: then it is cancelled and 504 is sent. WEFT_FOREVER: none */
    size_t body_max;  /* bytes of a request's body; SIZE_MAX: as the server's memory allows */
    bool stream_body; /* the handler reads the body itself, with weft_http_read(): it is called when
                         the head is there, and .body_max is no memory. SIZE_MAX: no limit */
    uint32_t in_flight_max; /* handlers at one time, else 503. 0: as many as come */
    size_t memory_max;      /* bytes of an exchange's arena from the handler on */
    uint64_t spare[3];
} weft_http_route_options;

/* One line of a route table. The table ends with a line of NULLs and outlives the server.
 *
 * In a path, ":name" stands for one segment that is not empty; where two lines match, the one with
 * a literal at the first segment that differs is taken. HEAD is served by GET's handler where
 * it has none of its own, OPTIONS by the server itself. */
typedef struct weft_http_route {
    const char *method;
    const char *path;
    weft_http_handler *handler;
    const weft_http_route_options *options;
} weft_http_route;

/* Options of weft_http_serve() and weft_http_serve_on(). */
typedef struct weft_http_serve_options {
    const weft_http_route *routes; /* the second argument */
    void *app;                     /* for the handlers */
    size_t max_clients;            /* connections at one time; 0: 10,000 */
    int64_t drain;             /* for requests in flight after a cancel; 0: 10 s, negative: none */
    int64_t header_timeout;    /* a head, from its first byte, else 408; also how long a new
                                  connection may be silent. 0: 10 s, WEFT_FOREVER: no limit */
    int64_t body_timeout;      /* a whole body, else 408; 0: 30 s, WEFT_FOREVER: no limit */
    int64_t idle_timeout;      /* between two requests of a connection; 0: 75 s, WEFT_FOREVER: no
                                  limit */
    int64_t send_timeout;      /* a client that reads nothing while a response waits; 0: 60 s,
                                  WEFT_FOREVER: no limit */
    size_t body_max;           /* bytes of a request's body, else 413; 0: 1 MiB */
    size_t memory_max;         /* bytes of an exchange's arena: head, body and whatever the
                                  handler takes; 0: 16 MiB */
    uint32_t line_max;         /* bytes of a request line, else 414; 0: 8 KiB */
    uint32_t header_size_max;  /* bytes of all header lines, else 431; 0: 64 KiB. The sum of both is
                                  also bound by the listener's .input_max */
    uint32_t header_count_max; /* header lines, else 431; 0: 100 */
    uint32_t stack_size;       /* of the connections' tasks; 0: the default */
    const char *site;          /* set by the macro */
    size_t size;               /* set by the macro */
    int64_t handler_timeout;   /* of the handlers whose route has none: then they are cancelled and
                                  504 is sent. 0: no limit */
    uint32_t in_flight_max;    /* handlers at one time, else 503; 0: as many as come */
    size_t total_memory_max;   /* bytes that weft_memory_held() may say: above it the connection
                                  that holds most while it waits for its client is closed, and
                                  where none does requests are answered 503. 0: 1 GiB, SIZE_MAX: no
                                  limit */
    enum weft_hand_out hand_out; /* as in weft_serve() */
} weft_http_serve_options;

/** Serve HTTP on an address until cancelled.
 *
 * Connections are kept alive and pipelined requests are answered in order. A malformed request is
 * answered (400, 413, 414, 431, 501 or 505) and its connection closed. When the serving task is
 * cancelled, idle connections are closed at once and requests in flight have `.drain` to finish.
 * Each request is one line of the access log at level info: method, path, status, bytes,
 * microseconds.
 *
 * Returns: 0 after weft_listener_stop() and the last client.
 * Errors: as weft_listen(); -EINVAL for a route table that cannot be served (the application log
 *   names the line); -ECANCELED after a cancel, when all clients are gone.
 * Suspends: always.
 * Cancel: drains as above; no client is left behind.
 * Ownership: borrows the routes and `.app`.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_serve_with(const char *address, const struct weft_http_serve_options *options);

/** Serve HTTP on a listener: as weft_http_serve(), but the port is known before.
 *
 *     weft_listen(&listener, "127.0.0.1:0");
 *     printf("http://%s\n", weft_listener_address(listener));
 *     err = weft_http_serve_on(listener, routes, .app = &shop);
 *
 * Returns: as weft_http_serve().
 * Errors: as weft_http_serve().
 * Suspends: always.
 * Cancel: as weft_http_serve(); the listener is stopped.
 * Ownership: borrows the listener, the routes and `.app`.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_serve_on_with(weft_listener *listener, const struct weft_http_serve_options *options);

/* The request. Texts end with a NUL and live as long as the exchange. */

/** The request's method: "GET".
 *
 * Returns: the text, as it was sent; HEAD also where GET's handler serves it.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_method(weft_http *http);

/** The request's path: "/product/7", still with its escapes.
 *
 * Returns: the text, without the query.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_path(weft_http *http);

/** What a ":name" of the route's path stands for in this request, decoded.
 *
 * It may hold any byte but NUL, slashes and dots too: check it before it names a file.
 *
 * Returns: the text, never empty; NULL when the route has no such name.
 * Errors: none: a segment that cannot be decoded was answered with 400.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_param(weft_http *http, const char *name);

/** A parameter of the query, decoded: for "?q=a%20b+c", "q" gives "a b c".
 *
 * Returns: the first of that name, "" where it has no value; NULL when there is none, when it is
 *   malformed, and without memory.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's arena.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_query(weft_http *http, const char *name);

/** The whole query as it was sent: what stands after the "?".
 *
 * Returns: the text; "" when there is none.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_query_text(weft_http *http);

/** The host that the request is for, as it was sent, with its port if it has one: from the target
 * where that is a whole URL, else from the Host header.
 *
 * Returns: the text; "" when there is none, or an empty one.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_host(weft_http *http);

/** The value of a header of the request; names have no case. "Host" gives weft_http_host().
 *
 * Returns: the first of that name; NULL when there is none.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_header(weft_http *http, const char *name);

/** The request's headers one by one, from index 0 on, in order of arrival.
 *
 * Returns: true, and the header in *field; false when there are no more.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
bool weft_http_header_at(weft_http *http, size_t index, weft_http_field *field);

/** The request's body. A NUL stands behind it that does not count.
 *
 * Returns: the bytes; data is never NULL; none where the route has .stream_body.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
weft_slice weft_http_body(weft_http *http);

/** Read the request's body piece by piece; where the route has no .stream_body it is all there.
 *
 *     while ((n = weft_http_read(http, buffer, sizeof buffer)) > 0)
 *         ...
 *
 * Nothing is read ahead of it but what the stream takes at one time, so a client that sends faster
 * than the handler reads is held back. One that waits for "100 Continue" is told to go on. What the
 * handler leaves unread costs the connection, unless it is there already. A response that is sent
 * whole ends the reading; one that was begun goes on beside it.
 *
 * Returns: bytes, at least 1; 0 at the end.
 * Errors: WEFT_ELIMIT above .body_max; WEFT_EPROTOCOL for broken chunks; WEFT_EEND when the client
 *   ended early; -ETIMEDOUT when nothing came for the server's .body_timeout; -ECONNRESET and
 *   others of weft_fill(); -ENOMEM; -ECANCELED; -EALREADY when a response was sent before the end
 *   was read. A handler that returns such an error, and has sent no response, lets the server
 *   answer it: 413, 400, 408; that is not logged.
 * Suspends: unless bytes are there. For a turn where an error is said again.
 * Cancel: nothing is lost.
 * Ownership: writes to `buffer`.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_http_read(weft_http *http, void *buffer, size_t size);

/** A trailer of the request: a header that came behind its chunked body.
 *
 * Returns: the value of the first of that name; NULL when there is none, or the body is not read.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_trailer(weft_http *http, const char *name);

/** The client's address, as weft_stream_peer().
 *
 * Returns: the text.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the exchange's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_peer(weft_http *http);

/* The response. One for each request. */

/** Set a header of the response, in place of an earlier one of that name.
 *
 * "Content-Type" goes before what the sending function says; "Connection" can only be "close".
 *
 * Returns: 0.
 * Errors: -EINVAL for a name or a value that may not be sent (control characters such as line
 *   breaks), and for Content-Length, Transfer-Encoding and Date, which the server writes; -EALREADY
 *   when the response was sent; WEFT_ELIMIT for the 65th; -ENOMEM.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies both.
 * Threads: the loop's own. */
WEFT_API
int weft_http_set_header(weft_http *http, const char *name, const char *value);

/** Add a header of the response beside others of that name: Set-Cookie, Link, Vary.
 *
 * Returns: 0.
 * Errors: as weft_http_set_header().
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies both.
 * Threads: the loop's own. */
WEFT_API
int weft_http_add_header(weft_http *http, const char *name, const char *value);

/** Send the response: head and body as one write. To a HEAD, with 204 and with 304 goes no body.
 *
 * Returns: 0 when the stream has taken it.
 * Errors: -EALREADY when a response was sent before; -EINVAL for a status that is not 200 to 999 or
 *   a content type that may not be sent; -ETIMEDOUT when the client does not read; -EPIPE,
 *   -ECONNRESET and others of weft_write(); -ENOMEM; -ECANCELED. After a failed write the
 *   connection is closed.
 * Suspends: unless there is room in the stream.
 * Cancel: the response is cut and the connection closed.
 * Ownership: borrows all until the return. `content_type` NULL: none is sent.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_send(weft_http *http, int status, const char *content_type, const void *data,
                   size_t size);

/** Send a response of plain text (UTF-8), printed as printf would.
 *
 * Returns: 0 when the stream has taken it.
 * Errors: as weft_http_send().
 * Suspends: unless there is room in the stream.
 * Cancel: as weft_http_send().
 * Ownership: borrows its arguments until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_text(weft_http *http, int status, const char *format, ...) WEFT_PRINTF(3, 4);

/** Send a response of JSON, printed as printf would.
 *
 *     weft_http_json(http, 200, "{\"name\":%s}", weft_json_string(http->arena, name));
 *
 * Nothing is escaped by itself: %s inserts JSON text. What comes from users goes through
 * weft_json_string().
 *
 * Returns: 0 when the stream has taken it.
 * Errors: as weft_http_send().
 * Suspends: unless there is room in the stream.
 * Cancel: as weft_http_send().
 * Ownership: borrows its arguments until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_json(weft_http *http, int status, const char *format, ...) WEFT_PRINTF(3, 4);

/** The length of a body that is not known when its response begins. */
#define WEFT_HTTP_LENGTH_UNKNOWN (-1)

/** Begin a response that is sent while it is made.
 *
 *     int err = weft_http_begin(http, 200, "text/csv", WEFT_HTTP_LENGTH_UNKNOWN);
 *     for (row = first; row && err == 0; row = row->next)
 *         err = weft_http_print(http, "%d,%s\n", row->id, row->name);
 *     return err;
 *
 * With a length exactly so many bytes have to follow. Without, they go in chunks, and to a client
 * of HTTP/1.0 until the connection closes. The response ends with weft_http_end(), or when the
 * handler returns without an error; after an error it is cut off, so that the client can see it.
 *
 * Returns: 0 when the stream has taken the head.
 * Errors: as weft_http_send(); -EINVAL for a length below -1.
 * Suspends: unless there is room in the stream.
 * Cancel: as weft_http_send().
 * Ownership: borrows all until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_begin(weft_http *http, int status, const char *content_type, int64_t length);

/** Write the next bytes of the response's body. What a turn of the loop writes is sent together.
 *
 * Returns: 0 when the stream has taken all of it; the client may still be behind by the stream's
 *   high mark.
 * Errors: -EINVAL before weft_http_begin(); -EALREADY after the end; -EMSGSIZE above the length
 *   that was announced, and nothing is written; -EPIPE where the length is not known and the
 *   response has no body (HEAD, 204, 304): to return it is no failure; -ETIMEDOUT when the client
 *   does not read; -EPIPE and others of weft_write(); -ECANCELED.
 * Suspends: while the client is behind by more than the stream's high mark; for a turn where an
 *   error is said again, and where nobody gets the body.
 * Cancel: nothing is written, where it is at most half the high mark; above that the response may
 *   be cut, and the connection is closed.
 * Ownership: borrows `data` until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_write(weft_http *http, const void *data, size_t size);

/** Write the next bytes of the response's body as printf would.
 *
 * Returns: as weft_http_write().
 * Errors: as weft_http_write(); -ENOMEM.
 * Suspends: as weft_http_write().
 * Cancel: as weft_http_write().
 * Ownership: borrows its arguments until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_print(weft_http *http, const char *format, ...) WEFT_PRINTF(2, 3);

/** Add a header that is sent behind the body, where that goes in chunks; else it is dropped.
 *
 * Returns: 0.
 * Errors: -EINVAL for a name or a value that may not be sent, and for headers that say where the
 *   message ends, whose it is or what it is; -EALREADY after the end; WEFT_ELIMIT for the 65th;
 *   -ENOMEM.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies both.
 * Threads: the loop's own. */
WEFT_API
int weft_http_add_trailer(weft_http *http, const char *name, const char *value);

/** End a response that was begun: the last chunk, and the trailers.
 *
 * Returns: 0 when the stream has taken it.
 * Errors: as weft_http_write(); -EMSGSIZE where less was written than announced: the connection is
 *   closed, so that the client sees it.
 * Suspends: as weft_http_write().
 * Cancel: the response is cut and the connection closed.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_end(weft_http *http);

/** Whether the server drains: a response without an end, like a stream of events, should find one.
 *
 * Returns: true from the moment the server was cancelled or its listener stopped.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: takes nothing.
 * Threads: the loop's own. */
WEFT_API
bool weft_http_is_draining(const weft_http *http);

/** A text as a JSON string, with its quotes. Bytes that are not UTF-8 become U+FFFD.
 *
 * Returns: the JSON text; "null" for NULL; NULL when the arena has no memory.
 * Errors: none but NULL.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows `text`; the JSON text is the arena's.
 * Threads: the one that uses the arena. */
WEFT_API
const char *weft_json_string(weft_arena *arena, const char *text);

/** A text as one segment of an URL's path, or as a name or a value of its query: every byte but
 * letters, digits, "-", ".", "_" and "~" as %HH (RFC 3986).
 *
 *     url = weft_arena_format(arena, "http://users/%s?q=%s", weft_http_escape(arena, id),
 *                             weft_http_escape(arena, what));
 *
 * A server that decodes it has the text back, slashes too. Only "." and ".." as a whole segment
 * mean a step to many servers however they are written: refuse them where that matters.
 *
 * Returns: the escaped text, at most three times as long; "" for NULL; NULL when the arena has no
 *   memory.
 * Errors: none but NULL.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: borrows `text`; the escaped text is the arena's.
 * Threads: the one that uses the arena. */
WEFT_API
const char *weft_http_escape(weft_arena *arena, const char *text);

/* A server beside its caller, and a request without any. */

typedef struct weft_http_server weft_http_server;
struct weft_http_call; /* below */

/** Start a server in the background of the current loop, and go on.
 *
 *     weft_http_server *server;
 *     weft_http_start(&server, "127.0.0.1:0", routes, .app = &shop);
 *     weft_http_call call = { .arena = arena };
 *     call.url = weft_arena_format(arena, "%s/hello/you", weft_http_url(server));
 *     assert(weft_http_fetch(&call) == 200);
 *     weft_http_stop(server);
 *
 * Returns: 0, and the server in *server; it listens then.
 * Errors: as weft_listen(). A table that cannot be served is -EINVAL of weft_http_stop().
 * Suspends: while a name is looked up.
 * Cancel: as weft_listen().
 * Ownership: gives the server, ended by weft_http_stop(); borrows the routes and `.app` until then.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_start_with(weft_http_server **server, const char *address,
                         const struct weft_http_serve_options *options);

/** The URL of a started server, without a path: "http://127.0.0.1:43521".
 *
 * Returns: the text; of use where the server listens on TCP, for URLs know no other addresses.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the server's.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_url(const weft_http_server *server);

/** Stop a started server: it drains as weft_http_serve() does when it is cancelled.
 *
 * Returns: 0 when all clients are gone.
 * Errors: what weft_http_serve_on() returned by itself; -EDEADLK from one of its own handlers: it
 *   drains from then on, and somebody else has to stop it.
 * Suspends: until then.
 * Cancel: never delivered here.
 * Ownership: takes the server, but for -EDEADLK; NULL is allowed.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_stop(weft_http_server *server);

/** Ask a table of routes, for tests: the whole way of a request and its response, with all limits,
 * but no socket.
 *
 *     weft_http_call call = { .arena = arena, .url = "/hello/you" };
 *     assert(weft_http_try(&call, routes, .app = &shop) == 200);
 *     assert(strcmp(call.body, "hello, you\n") == 0);
 *
 * Outside a task it runs a loop of its own, on the test clock: a handler that sleeps for an hour
 * answers at once.
 *
 * Returns: the response's status.
 * Errors: as weft_http_start() and weft_http_fetch(); -EINVAL without an arena, and for a table
 *   that cannot be served (the application log names the line).
 * Suspends: always, where there is a task.
 * Cancel: as weft_http_fetch().
 * Ownership: as weft_http_fetch(). The URL may be a path alone; its host is always the table's.
 * Threads: any, one that runs no loop or the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_try_with(struct weft_http_call *call, const struct weft_http_serve_options *options);

/* The client. */

typedef struct weft_http_client weft_http_client;

struct wf_http_fetch;
struct wf_http_body;

/* Makes a request's body while it is sent: called again and again for the next bytes, at most
 * `size` of them, in the task that made the call. It may suspend. Like a read: how many there are;
 * 0 at the end; a negative error, which fails the call. */
typedef ssize_t weft_http_source_fn(void *arg, void *buffer, size_t size);

/* One call: what goes in and what comes out. As a whole
 *
 *     weft_http_call user = { .arena = http->arena, .url = "http://users/7" };
 *     if (weft_http_fetch(&user) == 200)
 *         use(user.body, user.body_size);
 *
 * or with a response that is read as it comes, and is never in memory as a whole:
 *
 *     weft_http_call film = { .arena = arena, .url = "http://films/7" };
 *     char buffer[4096];
 *     ssize_t n = weft_http_open(&film);
 *     while (n > 0 && (n = weft_http_call_read(&film, buffer, sizeof buffer)) > 0)
 *         write_to_disk(buffer, (size_t)n);
 *     weft_http_call_close(&film);
 *
 * Either way the request's body may come from a source, the way a proxy hands one on:
 *
 *     weft_http_call next = { .arena = arena, .url = "http://next/", .method = "PUT",
 *                             .source = read_on, .source_arg = &from }; */
typedef struct weft_http_call {
    /* in; zero is the default, `url` and `arena` are required */
    const char *url;                /* "http://host:port/path?query", "http://[::1]:80/" */
    const char *method;             /* NULL: GET, with data or a source POST */
    const weft_http_field *headers; /* NULL: none */
    const char *content_type;       /* of the data; NULL: none is sent */
    const void *data;               /* the request's body; NULL with a source */
    size_t size;                    /* its bytes; of a source, 0: it tells, and goes in chunks */
    weft_arena *arena;              /* memory for what comes out */
    weft_http_client *client;       /* its connections; NULL: the loop's own */
    size_t body_max;                /* bytes of the response's body; 0: 16 MiB, and no limit where
                                       it is opened */
    uint32_t header_size_max;       /* bytes of its headers, at most 1 MiB; 0: 64 KiB */
    uint32_t header_count_max;      /* its header lines; 0: 100 */

    /* out */
    int status;                      /* 200 to 999; 0 when no response came */
    uint32_t header_count;           /* the response's */
    const weft_http_field *response; /* its headers, in order of arrival */
    const char *body;   /* NUL-terminated; never NULL afterwards; "" where it is opened */
    size_t body_size;   /* without the NUL */
    const char *detail; /* what went wrong, in words; never NULL afterwards */

    /* in, once more */
    weft_http_source_fn *source; /* makes the request's body; NULL: data is it */
    void *source_arg;

    /* the library's own; zero before the call */
    struct wf_http_fetch *open;          /* until it is closed */
    const struct wf_http_body *received; /* for the trailers */
    uint64_t spare[2];
} weft_http_call;

struct weft_http_client_options {
    weft_http_client **client;     /* the first argument */
    uint32_t idle_max;             /* connections kept for later, in all; 0: 256 */
    uint32_t host_idle_max;        /* … for one host; 0: 64 */
    int64_t idle_timeout;          /* and for how long; 0: 15 s, WEFT_FOREVER: no limit */
    const char *site;              /* set by the macro */
    size_t size;                   /* set by the macro */
    uint32_t connections_max;      /* idle and busy together, in all; 0: 65,536 */
    uint32_t host_connections_max; /* … to one address; 0: 10,000 */
};

/** Fetch an URL. A weft_fn over weft_http_call: the same name works in place and spawned.
 *
 *     weft_spawn(&both, weft_http_fetch, &user);
 *
 * A connection of the client is used again where one is idle. When its server has closed it before
 * a byte of the response came, GET, HEAD, PUT, DELETE and OPTIONS are sent once more on a new one,
 * unless the call's source was asked for a byte.
 *
 * The request is sent before the response is read. A server that answers before it has read all is
 * heard when it closes: writing fails then, and the source is not asked any more.
 *
 * A call that would exceed the client's connections closes the coldest idle one of another host; if
 * none is, it waits in line: for its host first come, first served, and when hosts wait for one
 * another they take turns. There is no timeout but the scope's, which counts in line too.
 *
 * Returns: the response's status, 200 to 999, whatever it says.
 * Errors: -EINVAL for an URL or a header that cannot be sent, and for a source that gives more or
 *   less than `size` (the server never has such a request whole); the source's own;
 *   -EPROTONOSUPPORT for another scheme; weft_connect()'s; WEFT_EEND when the server closed before
 *   the response was whole; WEFT_EPROTOCOL for a response that is none; -ENOTSUP for a transfer
 *   coding besides chunked; WEFT_ELIMIT for one above a limit; -ENOMEM (also the arena's limit);
 *   -ECONNRESET and others of the connection; -ESHUTDOWN when the client was freed while the call
 *   waited in line; -EBUSY for a call that is open; -ECANCELED; -EPERM outside a task. `detail`
 *   says more.
 * Suspends: always.
 * Cancel: the connection is closed; the server may have seen the request. In line nothing is lost.
 * Ownership: borrows the call and what it points to until the return; results are the arena's.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_fetch(void *call);

/** Fetch an URL up to the head of the response; its body is read by weft_http_call_read().
 *
 * As weft_http_fetch() in all else. A response that nobody reads makes its server wait: what the
 * stream has read ahead, some 16 KiB, is all that is in memory.
 *
 * Returns: the response's status, 200 to 999, whatever it says; the headers are there, no body.
 * Errors: as weft_http_fetch(). Nothing is open then.
 * Suspends: always.
 * Cancel: as weft_http_fetch().
 * Ownership: borrows the call, its client and its arena until weft_http_call_close(), which must
 *   follow; the rest of what it points to until the return. An open call is not to be copied.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
int weft_http_open(weft_http_call *call);

/** Read what has come of an open call's body, at most `size` bytes.
 *
 * Returns: bytes read, > 0; 0 at the end, when the trailers are there too, and for a `size` of 0.
 * Errors: WEFT_EEND when the server closed before the end; WEFT_EPROTOCOL for broken chunks or
 *   trailers; WEFT_ELIMIT above body_max, and for trailers above the limits of headers; -ENOMEM;
 *   -ECONNRESET and others of the connection: all of them again and again. -ECANCELED; -EINVAL for
 *   a call that is not open. `detail` says more.
 * Suspends: until there is a byte or the end.
 * Cancel: loses nothing: what has come is there for the next call.
 * Ownership: borrows the buffer until the return.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
ssize_t weft_http_call_read(weft_http_call *call, void *buffer, size_t size);

/** End an open call. Its connection is kept for the next one if the body was read to its end, or if
 * what is left of it has arrived already; else it is closed.
 *
 * What came out of the call stays valid as long as its arena. Harmless for a call that is not open:
 * after an open that failed, again, and for one that is all zero.
 *
 * Returns: nothing.
 * Errors: none.
 * Suspends: only while another task reads from the call.
 * Cancel: never delivered here.
 * Ownership: the call is the caller's alone again.
 * Threads: the loop's own. */
WEFT_API
WEFT_SUSPENDS
void weft_http_call_close(weft_http_call *call);

/** A trailer of a call's response: a header that came behind its chunked body.
 *
 * Returns: the value of the first of that name; NULL when there is none, or the body is not read to
 *   its end.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the call's arena.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_call_trailer(const weft_http_call *call, const char *name);

/** A header of a call's response; names have no case.
 *
 * Returns: the value of the first of that name; NULL when there is none.
 * Errors: none.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: the call's arena.
 * Threads: the loop's own. */
WEFT_API
const char *weft_http_call_header(const weft_http_call *call, const char *name);

/** Make a client: a set of kept connections, and of names. For the current loop.
 *
 * Calls without a client share one that each loop makes when it is first needed, and that ends with
 * the loop.
 *
 * Returns: 0, and the client in *client.
 * Errors: -ENOMEM; -EPERM without a loop.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: gives the client, ended by weft_http_client_free() before its loop ends.
 * Threads: the loop's own. */
WEFT_API
int weft_http_client_new_with(const struct weft_http_client_options *options);

/** End a client and close its idle connections. Calls under way go on and close theirs; calls that
 * wait in line fail with -ESHUTDOWN.
 *
 * Returns: nothing.
 * Errors: none. NULL is allowed.
 * Suspends: never.
 * Cancel: nothing is cancelled.
 * Ownership: takes the client.
 * Threads: the loop's own. */
WEFT_API
void weft_http_client_free(weft_http_client *client);

/** Say where a host of URLs is to be found: any address of weft_connect().
 *
 *     weft_http_client_map(NULL, "users", "mem:users");      then fetch http://users/7
 *
 * A host without a line of its own is looked up and connected by TCP, at port 80 or the URL's.
 *
 * Returns: 0.
 * Errors: -EINVAL for an empty host or address; WEFT_ELIMIT for the 1,025th; -ENOMEM; -EPERM
 *   without a loop.
 * Suspends: never.
 * Cancel: nothing to lose.
 * Ownership: copies both. `client` NULL: the loop's own. `host` as in the URL, with its port where
 *   that has one; a later line for it goes before an earlier one.
 * Threads: the loop's own. */
WEFT_API
int weft_http_client_map(weft_http_client *client, const char *host, const char *address);

WEFT_END_DECLS

#ifndef __cplusplus
#    define WEFT_HTTP_SERVE_OPTIONS_(...)                                                          \
        &(struct weft_http_serve_options)                                                          \
        {                                                                                          \
            .routes = __VA_ARGS__, .site = WEFT_SITE,                                              \
            .size = sizeof(struct weft_http_serve_options)                                         \
        }
#    define weft_http_serve(address, ...)                                                          \
        weft_http_serve_with((address), WEFT_HTTP_SERVE_OPTIONS_(__VA_ARGS__))
#    define weft_http_serve_on(listener, ...)                                                      \
        weft_http_serve_on_with((listener), WEFT_HTTP_SERVE_OPTIONS_(__VA_ARGS__))
#    define weft_http_start(server, address, ...)                                                  \
        weft_http_start_with((server), (address), WEFT_HTTP_SERVE_OPTIONS_(__VA_ARGS__))
#    define weft_http_try(call, ...)                                                               \
        weft_http_try_with((call), WEFT_HTTP_SERVE_OPTIONS_(__VA_ARGS__))
#    define weft_http_client_new(...)                                                              \
        weft_http_client_new_with(                                                                 \
            &(struct weft_http_client_options){ .client = __VA_ARGS__,                             \
                                                .site = WEFT_SITE,                                 \
                                                .size = sizeof(struct weft_http_client_options) })
/* Called by name it takes a weft_http_call * and nothing else; the bare name stays a weft_fn. */
#    define weft_http_fetch(call) weft_http_fetch(_Generic((call), weft_http_call * : (call)))
#else
static inline int weft_http_serve(const char *address, const weft_http_route *routes,
                                  weft_http_serve_options options = {})
{
    options.routes = routes;
    options.size = sizeof options;
    return weft_http_serve_with(address, &options);
}

static inline int weft_http_serve_on(weft_listener *listener, const weft_http_route *routes,
                                     weft_http_serve_options options = {})
{
    options.routes = routes;
    options.size = sizeof options;
    return weft_http_serve_on_with(listener, &options);
}

static inline int weft_http_start(weft_http_server **server, const char *address,
                                  const weft_http_route *routes,
                                  weft_http_serve_options options = {})
{
    options.routes = routes;
    options.size = sizeof options;
    return weft_http_start_with(server, address, &options);
}

static inline int weft_http_try(weft_http_call *call, const weft_http_route *routes,
                                weft_http_serve_options options = {})
{
    options.routes = routes;
    options.size = sizeof options;
    return weft_http_try_with(call, &options);
}

static inline int weft_http_client_new(weft_http_client **client,
                                       weft_http_client_options options = {})
{
    options.client = client;
    options.size = sizeof options;
    return weft_http_client_new_with(&options);
}

static inline int weft_http_fetch(weft_http_call *call)
{
    return weft_http_fetch(static_cast<void *>(call));
}

template <class T> int weft_http_fetch(T *call) = delete; /* it takes a weft_http_call */
#endif

#endif
