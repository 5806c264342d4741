/* The scalar runner against the vectors: the same head, cut at the same places, must bring two
 * parsers to the same state after each piece: result, status, reason, spans, counters.
 *
 * The input is that of fuzz_http1.h, and of its byte 0 one bit more:
 *
 *     bit 2     responses
 *
 * Heads follow one another as if they had no bodies; what a body holds is read as the next head,
 * which is as good as any. */

#include "fuzz_http1.h"

#include "base/compiler.h"
#include "codec/http1_inside.h"

#include <string.h>

enum { HEADERS_MAX = 100 };

/* A parser, the runner it runs with, and where it notes headers. */
struct reader {
    wf_http1_run_fn *run;
    struct wf_http1_parser parser;
    struct wf_http1_header headers[HEADERS_MAX];
};

static void begin(struct reader *reader, const struct http1_feeding *feeding)
{
    if (feeding->is_response)
        wf_http1_response_begin(&reader->parser, &feeding->limits, reader->headers,
                                feeding->to_head);
    else
        wf_http1_request_begin(&reader->parser, &feeding->limits, reader->headers);
}

static enum wf_http1_result parse(struct reader *reader, const char *window, size_t len)
{
    atomic_store_explicit(&wf_http1_run_wide, reader->run, memory_order_relaxed);
    return wf_http1_parse(&reader->parser, window, len);
}

/* --- comparing --- */

static const char *runner_name; /* of the vector under test, for the message */

#define EXPECT_SAME(left, right)                                                                   \
    do {                                                                                           \
        if ((left) != (right)) {                                                                   \
            fprintf(stderr, "%s differs from scalar: %s\n", runner_name, #left);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void expect_same_span(struct wf_http1_span one, struct wf_http1_span other)
{
    EXPECT_SAME(one.offset, other.offset);
    EXPECT_SAME(one.len, other.len);
}

static void expect_same_head(const struct wf_http1_head *one, const struct wf_http1_head *other)
{
    EXPECT_SAME(one->size, other->size);
    EXPECT_SAME(one->version_minor, other->version_minor);
    EXPECT_SAME(one->keep_alive, other->keep_alive);
    EXPECT_SAME(one->has_length, other->has_length);
    EXPECT_SAME(one->framing, other->framing);
    EXPECT_SAME(one->method, other->method);
    EXPECT_SAME(one->form, other->form);
    EXPECT_SAME(one->status, other->status);
    EXPECT_SAME(one->content_length, other->content_length);
    expect_same_span(one->method_name, other->method_name);
    expect_same_span(one->target, other->target);
    expect_same_span(one->path, other->path);
    expect_same_span(one->query, other->query);
    expect_same_span(one->host, other->host);
    expect_same_span(one->reason, other->reason);
    EXPECT_SAME(one->header_count, other->header_count);
    for (uint32_t i = 0; i < one->header_count; i++) {
        expect_same_span(one->headers[i].name, other->headers[i].name);
        expect_same_span(one->headers[i].value, other->headers[i].value);
    }
}

static void expect_same_parser(const struct wf_http1_parser *one,
                               const struct wf_http1_parser *other)
{
    expect_same_head(&one->head, &other->head);
    EXPECT_SAME(one->why, other->why);
    EXPECT_SAME(one->scanned, other->scanned);
    EXPECT_SAME(one->mark, other->mark);
    EXPECT_SAME(one->limit, other->limit);
    EXPECT_SAME(one->examined, other->examined);
    EXPECT_SAME(one->status, other->status);
    EXPECT_SAME(one->state, other->state);
}

/* --- playing --- */

/* Show both what there is up to the cut, in memory that ends there. `from` moves behind heads that
 * are complete. Returns whether more can follow. */
static bool play_piece(struct reader *scalar, struct reader *vector,
                       const struct http1_feeding *feeding, size_t *from, size_t cut)
{
    for (;;) {
        size_t len = cut - *from;
        char *window = malloc(len ? len : 1);
        if (!window)
            abort();
        memcpy(window, feeding->bytes + *from, len);
        enum wf_http1_result result = parse(scalar, window, len);
        EXPECT_SAME(parse(vector, window, len), result);
        expect_same_parser(&vector->parser, &scalar->parser);
        free(window);
        if (result != WF_HTTP1_COMPLETE)
            return result == WF_HTTP1_MORE;
        *from += scalar->parser.head.size;
        begin(scalar, feeding);
        begin(vector, feeding);
    }
}

static void play(const struct wf_http1_runner *runner, const struct http1_feeding *feeding)
{
    static struct reader scalar, vector;
    size_t from = 0, count = feeding->byte_by_byte ? feeding->len : feeding->cut_count;
    bool more = true;
    runner_name = runner->name;
    scalar.run = wf_http1_run_scalar;
    vector.run = runner->run;
    begin(&scalar, feeding);
    begin(&vector, feeding);
    for (size_t i = 0; i < count && more; i++) {
        size_t cut = feeding->byte_by_byte ? i : feeding->cuts[i];
        more = play_piece(&scalar, &vector, feeding, &from, cut);
    }
    if (more)
        play_piece(&scalar, &vector, feeding, &from, feeding->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PREFIX)
        return 0;
    struct http1_feeding feeding = fuzz_feeding(data, size, data[0] & 4);
    size_t cuts[CUTS];
    for (size_t i = 1; wf_http1_runner(i); i++) {
        feeding.cut_count = 0;
        feeding.byte_by_byte = false;
        play(wf_http1_runner(i), &feeding);
        fuzz_cut(&feeding, data, cuts);
        play(wf_http1_runner(i), &feeding);
        feeding.byte_by_byte = feeding.len <= BYTE_BY_BYTE_MAX;
        if (feeding.byte_by_byte)
            play(wf_http1_runner(i), &feeding);
    }
    return 0;
}
