/* Statement W5: commands of one server run in a single thread and need no locks.
 *
 *     loop 0     a server, whose INCR is ++ on a plain int
 *     loop 1, 2  a client each, in a thread of its own, with 64 tasks that do nothing but INCR
 *
 * The sum is exact, and no two answers are the same. Were the handler run by anybody else than the
 * server's thread, increments would be lost, and ThreadSanitizer, under which this runs too, would
 * name the line. */

#include "redis_test.h"

#include <weft/redis.h>

#include <stdatomic.h>

#define CLIENTS 2
#define TASKS   64

static int counter; /* no lock, and not atomic */
static weft_redis_server *server;
static int each;   /* INCRs of a task */
static char *seen; /* which answers have come; nobody gets another's */
static atomic_int clients_left, faults;

static int incr(weft_redis_request *request, void *app)
{
    (void)app;
    return weft_redis_reply_integer(request, ++counter);
}

static const weft_redis_command counting[] = {
    { "incr", incr, .arity = 2, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1 },
    { 0 },
};

static void started(weft_redis_server *is, void *app)
{
    (void)app;
    server = is;
}

static void stop(void *arg)
{
    (void)arg;
    weft_redis_stop(server);
}

static int ask_often(void *arg)
{
    weft_redis *redis = arg;
    weft_arena *memory;
    assert_int_equal(weft_arena_new(&memory, 0), 0);
    for (int i = 0; i < each; i++) {
        const weft_redis_value *value;
        int err = weft_redis_ask(redis, memory, &value, "INCR it");
        bool is_new = err == 0 && value->integer >= 1 &&
                      value->integer <= (int64_t)each * CLIENTS * TASKS &&
                      seen[value->integer - 1]++ == 0;
        atomic_fetch_add(&faults, !is_new);
        weft_arena_reset(memory);
    }
    weft_arena_free(memory);
    return 0;
}

static int be_client(void)
{
    weft_redis *redis;
    weft_scope all;
    assert_int_equal(weft_redis_open(&redis, "mem:sum"), 0);
    weft_scope_begin(&all);
    for (int i = 0; i < TASKS; i++)
        weft_spawn(&all, ask_often, redis);
    int err = weft_scope_end(&all);
    weft_redis_close(redis);
    if (atomic_fetch_sub(&clients_left, 1) == 1)
        weft_post(weft_loop_at(0), stop, NULL);
    return err;
}

static int on_each_loop(void *arg)
{
    (void)arg;
    if (weft_loop_index() > 0)
        return be_client();
    return weft_redis_serve("mem:sum", counting, .started = started);
}

static void test_W5_two_clients_count_without_a_lock(void **state)
{
    (void)state;
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    int all = text ? atoi(text) : 100000;
    each = all / (CLIENTS * TASKS);
    all = each * CLIENTS * TASKS;
    seen = calloc((size_t)all, 1);
    assert_non_null(seen);
    atomic_store(&clients_left, CLIENTS);
    assert_int_equal(weft_run(on_each_loop, NULL, .threads = 1 + CLIENTS, .no_signals = true), 0);
    assert_int_equal(atomic_load(&faults), 0);
    assert_int_equal(counter, all);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = { redis_test(test_W5_two_clients_count_without_a_lock) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
