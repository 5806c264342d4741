/* The storefront's gateway in one process with its services, in virtual time: what it answers when
 * services are late, fail or are not there, to the nanosecond; and without memory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "storefront.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MILLISECOND WEFT_MILLISECOND

/* One request, in a world as it is described. */
struct visit {
    const char *path;
    int64_t latency[STOREFRONT_PARTS];
    const char *gone; /* a service that cannot be connected to; NULL: none */
    int status;       /* of the answer; negative: the fetch failed */
    char body[2048];
    int64_t took;
};

static struct storefront shop;
static struct visit *visit;

static int serve_gateway(void *arg)
{
    (void)arg;
    return weft_http_serve("mem:gateway", gateway_routes, .app = &shop, .drain = -1);
}

static int ask(weft_arena *arena)
{
    weft_http_call call = { .arena = arena, .url = visit->path };
    int64_t start = weft_now();
    visit->status = weft_http_fetch(&call);
    visit->took = weft_now() - start;
    snprintf(visit->body, sizeof visit->body, "%s", call.body);
    return 0;
}

static int visit_main(void *arg)
{
    (void)arg;
    weft_arena *arena;
    int err = storefront_start(&shop);
    if (err >= 0)
        err = weft_http_client_map(NULL, "gateway", "mem:gateway");
    if (err >= 0 && visit->gone)
        err = weft_http_client_map(NULL, visit->gone, "mem:nobody");
    if (err >= 0)
        err = weft_spawn(weft_background(), serve_gateway, NULL, .eager = true);
    if (err >= 0)
        err = weft_arena_new(&arena, 0);
    if (err < 0)
        return err;
    err = ask(arena);
    weft_arena_free(arena);
    return err;
}

/* The program from its first line to its last; what it ended with. */
static int perform(struct visit *given)
{
    visit = given;
    struct board *board = board_new();
    assert_non_null(board);
    int err = storefront_init(&shop, board);
    if (err >= 0) {
        for (int i = 0; i < STOREFRONT_PARTS; i++)
            atomic_store(&board->dials[i].latency, given->latency[i]);
        err = weft_run(visit_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true);
        storefront_fini(&shop);
    }
    board_free(board);
    return err;
}

static void expect(struct visit *given, int status, int64_t took, const char *part)
{
    assert_int_equal(perform(given), 0);
    assert_int_equal(given->status, status);
    assert_int_equal(given->took, took);
    if (!strstr(given->body, part))
        fail_msg("'%s' is not in: %s", part, given->body);
}

static const char degraded[] = "\"stock\":{\"pieces\":259},\"reviews\":null,\"degraded\":true}\n";

static void test_gateway_answer_is_whole(void **state)
{
    (void)state;
    struct visit whole = { .path = "http://gateway/product/7" };
    expect(&whole, 200, 0, "{\"product\":{\"id\":7,\"name\":\"Kelpmoor Quiet Tea Towel\",");
    expect(&whole, 200, 0, "},\"price\":{\"currency\":\"EUR\",\"cents\":9899},\"stock\":");
    expect(&whole, 200, 0, "\"reviews\":[{\"stars\":3,\"text\":\"Works, but \\\"sturdy\\\" is ");
    expect(&whole, 200, 0, "}],\"degraded\":false}\n");
}

static void test_gateway_waits_for_all_at_once(void **state)
{
    (void)state;
    struct visit slow = { .path = "http://gateway/product/7",
                          .latency = { 100 * MILLISECOND, 299 * MILLISECOND, 200 * MILLISECOND,
                                       299 * MILLISECOND } };
    expect(&slow, 200, 299 * MILLISECOND, "\"degraded\":false}\n");
}

static void test_gateway_late_reviews_are_left_out_at_the_deadline(void **state)
{
    (void)state;
    struct visit late = { .path = "http://gateway/product/7",
                          .latency[STOREFRONT_REVIEWS] = WEFT_HOUR };
    expect(&late, 200, 300 * MILLISECOND, degraded);
}

static void test_gateway_failed_reviews_are_left_out_at_once(void **state)
{
    (void)state;
    struct visit failed = { .path = "http://gateway/product/7",
                            .latency[STOREFRONT_PRICE] = 100 * MILLISECOND,
                            .gone = "reviews" };
    expect(&failed, 200, 100 * MILLISECOND, degraded);
}

static void test_gateway_late_part_is_504_at_the_deadline(void **state)
{
    (void)state;
    for (int part = 0; part < STOREFRONT_REQUIRED; part++) {
        struct visit late = { .path = "http://gateway/product/7" };
        late.latency[part] = WEFT_HOUR;
        expect(&late, 504, 300 * MILLISECOND, "{\"error\":\"no answer within 300 ms\"}\n");
    }
}

static void test_gateway_failed_part_is_502_at_once(void **state)
{
    (void)state;
    static const char *const names[] = { "catalog", "price", "stock" };
    for (int part = 0; part < STOREFRONT_REQUIRED; part++) {
        struct visit failed = { .path = "http://gateway/product/7", .gone = names[part] };
        failed.latency[(part + 1) % STOREFRONT_REQUIRED] = 200 * MILLISECOND;
        failed.latency[STOREFRONT_REVIEWS] = WEFT_HOUR;
        expect(&failed, 502, 0, names[part]);
    }
}

static void test_gateway_unknown_product_is_404_at_once(void **state)
{
    (void)state;
    struct visit unknown = { .path = "http://gateway/product/1001",
                             .latency[STOREFRONT_PRICE] = 200 * MILLISECOND,
                             .latency[STOREFRONT_REVIEWS] = 200 * MILLISECOND };
    expect(&unknown, 404, 0, "{\"error\":\"no such product\"}\n");
}

static void ignore_line(void *context, enum weft_logger logger, enum weft_log_level level,
                        const char *text, size_t size)
{
    (void)context, (void)logger, (void)level, (void)text, (void)size;
}

/* Whatever allocation fails, the program ends in order, and a page is right where there is one. */
static void test_gateway_any_allocation_may_fail(void **state)
{
    (void)state;
    struct wf_memory_fault fault = { .injected = 1 };
    weft_log_set_sink(ignore_line, NULL);
    for (long n = 1; fault.injected > 0; n++) {
        struct visit lucky = { .path = "http://gateway/product/7" };
        fault = (struct wf_memory_fault){ .countdown = n };
        wf_memory_fault_set(&fault);
        int err = perform(&lucky);
        wf_memory_fault_set(NULL);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(lucky.status <= 0 || lucky.status == 200 || lucky.status >= 500);
        if (lucky.status == 200)
            assert_non_null(strstr(lucky.body, "\"cents\":9899"));
    }
    weft_log_set_sink(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_answer_is_whole),
        cmocka_unit_test(test_gateway_waits_for_all_at_once),
        cmocka_unit_test(test_gateway_late_reviews_are_left_out_at_the_deadline),
        cmocka_unit_test(test_gateway_failed_reviews_are_left_out_at_once),
        cmocka_unit_test(test_gateway_late_part_is_504_at_the_deadline),
        cmocka_unit_test(test_gateway_failed_part_is_502_at_once),
        cmocka_unit_test(test_gateway_unknown_product_is_404_at_once),
        cmocka_unit_test(test_gateway_any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
