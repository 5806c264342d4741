/* The buffer against a plain array of bytes, over every source of storage. */

#include "model.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <weft/error.h>

#define STEPS 60000

static void assert_content(const weft_buffer *buffer, const char *text)
{
    assert_int_equal(weft_buffer_readable(buffer), strlen(text));
    if (*text)
        assert_memory_equal(weft_buffer_data(buffer), text, strlen(text));
}

/* A driver's pool that counts what is out. */
struct pool {
    int acquired, released;
    size_t out;
};

static char *pool_acquire(void *context, size_t size, size_t *capacity)
{
    struct pool *pool = context;
    *capacity = size <= 4096 ? 4096 : size <= 16384 ? 16384 : (size + 65535) / 65536 * 65536;
    char *storage = wf_alloc(*capacity);
    if (storage) {
        pool->acquired++;
        pool->out += *capacity;
    }
    return storage;
}

static void pool_release(void *context, char *storage, size_t capacity)
{
    struct pool *pool = context;
    pool->released++;
    pool->out -= capacity;
    wf_free(storage);
}

/* A lender that counts what came back. */
struct lender {
    int returned;
    char *storage;
    size_t capacity;
};

static void lender_take(void *context, char *storage, size_t capacity)
{
    struct lender *lender = context;
    lender->returned++;
    assert_ptr_equal(storage, lender->storage);
    assert_int_equal(capacity, lender->capacity);
}

static void test_buffer_init_allocates_nothing(void **state)
{
    (void)state;
    uint64_t before = wf_memory_count();
    weft_buffer buffer;
    weft_buffer_init(&buffer, 0);
    assert_int_equal(buffer.limit, WEFT_BUFFER_LIMIT);
    assert_int_equal(weft_buffer_readable(&buffer), 0);
    assert_int_equal(weft_buffer_writable(&buffer), 0);
    assert_null(weft_buffer_data(&buffer));
    assert_int_equal(weft_buffer_append(&buffer, NULL, 0), 0);
    assert_int_equal(wf_memory_count(), before);
    weft_buffer_fini(&buffer);
    weft_buffer_fini(NULL);
}

static void test_buffer_append_then_consume(void **state)
{
    (void)state;
    weft_buffer buffer;
    weft_buffer_init(&buffer, 100);
    assert_int_equal(weft_buffer_append(&buffer, "GET / ", 6), 0);
    assert_int_equal(weft_buffer_append_format(&buffer, "HTTP/%d.%d", 1, 1), 0);
    assert_content(&buffer, "GET / HTTP/1.1");
    weft_buffer_consume(&buffer, 4);
    assert_content(&buffer, "/ HTTP/1.1");
    weft_buffer_consume(&buffer, 10);
    assert_content(&buffer, "");
    weft_buffer_fini(&buffer);
}

static void test_buffer_reserve_and_commit_less(void **state)
{
    (void)state;
    weft_buffer buffer;
    char *space;
    weft_buffer_init(&buffer, 10000);
    assert_int_equal(weft_buffer_reserve(&buffer, 100, &space), 0);
    assert_true(weft_buffer_writable(&buffer) >= 100);
    memcpy(space, "abc", 3);
    assert_content(&buffer, "");
    weft_buffer_commit(&buffer, 3);
    assert_content(&buffer, "abc");
    weft_buffer_fini(&buffer);
}

static void test_buffer_limit_is_exact(void **state)
{
    (void)state;
    weft_buffer buffer;
    char *space = NULL;
    weft_buffer_init(&buffer, 10);
    assert_int_equal(weft_buffer_append(&buffer, "12345678901", 11), WEFT_ELIMIT);
    assert_int_equal(weft_buffer_append(&buffer, "1234567", 7), 0);
    assert_int_equal(weft_buffer_reserve(&buffer, 4, &space), WEFT_ELIMIT);
    assert_null(space);
    assert_int_equal(weft_buffer_append_format(&buffer, "%d", 8901), WEFT_ELIMIT);
    assert_int_equal(weft_buffer_append_format(&buffer, "%d", 890), 0);
    assert_content(&buffer, "1234567890");
    assert_int_equal(weft_buffer_writable(&buffer), 0);
    assert_int_equal(weft_buffer_append(&buffer, "x", SIZE_MAX), WEFT_ELIMIT);
    weft_buffer_fini(&buffer);
}

static void test_buffer_limit_holds_in_larger_storage(void **state)
{
    (void)state;
    struct pool pool = { 0 };
    const struct wf_buffer_storage source = { pool_acquire, pool_release, &pool };
    weft_buffer buffer;
    weft_buffer_init(&buffer, 100);
    buffer.source = &source;
    assert_int_equal(weft_buffer_append(&buffer, "x", 1), 0);
    assert_int_equal(buffer.capacity, 4096);
    assert_int_equal(weft_buffer_writable(&buffer), 99);
    weft_buffer_fini(&buffer);
    assert_int_equal(pool.out, 0);
}

static void test_buffer_drained_keeps_storage_until_released(void **state)
{
    (void)state;
    weft_buffer buffer;
    weft_buffer_init(&buffer, 1000);
    weft_buffer_append(&buffer, "abc", 3);
    weft_buffer_release_if_empty(&buffer);
    assert_content(&buffer, "abc");
    uint64_t before = wf_memory_count();
    for (int i = 0; i < 100; i++) {
        weft_buffer_consume(&buffer, 3);
        weft_buffer_append(&buffer, "abc", 3);
    }
    assert_int_equal(wf_memory_count(), before);
    weft_buffer_consume(&buffer, 3);
    assert_non_null(buffer.storage);
    weft_buffer_release_if_empty(&buffer);
    assert_null(buffer.storage);
    assert_int_equal(weft_buffer_append(&buffer, "again", 5), 0);
    weft_buffer_fini(&buffer);
}

static void test_buffer_compacts_before_it_grows(void **state)
{
    (void)state;
    weft_buffer buffer;
    char *space;
    weft_buffer_init(&buffer, 100000);
    weft_buffer_reserve(&buffer, 4096, &space);
    weft_buffer_commit(&buffer, 4096);
    weft_buffer_consume(&buffer, 4000);
    uint64_t before = wf_memory_count();
    weft_buffer_reserve(&buffer, 4000, &space);
    assert_int_equal(wf_memory_count(), before);
    assert_int_equal(buffer.read, 0);
    weft_buffer_fini(&buffer);
}

/* A full buffer that slides by one byte must not move everything each time. */
static void test_buffer_sliding_moves_little(void **state)
{
    (void)state;
    enum { HELD = 60000, SLIDES = 300000 };
    weft_buffer buffer;
    char *space;
    weft_buffer_init(&buffer, 1000000);
    weft_buffer_reserve(&buffer, HELD, &space);
    weft_buffer_commit(&buffer, HELD);
    size_t moved = 0;
    for (int i = 0; i < SLIDES; i++) {
        size_t before = buffer.read + 1;
        weft_buffer_consume(&buffer, 1);
        weft_buffer_append(&buffer, "x", 1);
        moved += buffer.read < before ? HELD : 0;
    }
    assert_true(moved <= 2 * SLIDES + 2 * HELD);
    assert_true(buffer.capacity <= 4 * HELD);
    weft_buffer_fini(&buffer);
}

static void test_buffer_find_finds_the_first(void **state)
{
    (void)state;
    weft_buffer buffer;
    weft_buffer_init(&buffer, 1000);
    assert_int_equal(weft_buffer_find(&buffer, 0, "x", 1), -1);
    assert_int_equal(weft_buffer_find(&buffer, 0, "", 0), 0);
    weft_buffer_append(&buffer, "??a\r\nb\r\n\r\nc", 12);
    weft_buffer_consume(&buffer, 2);
    assert_int_equal(weft_buffer_find(&buffer, 0, "\r\n", 2), 1);
    assert_int_equal(weft_buffer_find(&buffer, 1, "\r\n", 2), 1);
    assert_int_equal(weft_buffer_find(&buffer, 2, "\r\n", 2), 4);
    assert_int_equal(weft_buffer_find(&buffer, 0, "\r\n\r\n", 4), 4);
    assert_int_equal(weft_buffer_find(&buffer, 0, "b", 1), 3);
    assert_int_equal(weft_buffer_find(&buffer, 9, "cc", 2), -1);
    assert_int_equal(weft_buffer_find(&buffer, 10, "", 0), 10);
    assert_int_equal(weft_buffer_find(&buffer, 11, "", 0), -1);
    assert_int_equal(weft_buffer_find(&buffer, SIZE_MAX, "c", 1), -1);
    weft_buffer_fini(&buffer);
}

static void test_buffer_slice_borrows(void **state)
{
    (void)state;
    weft_buffer buffer;
    weft_buffer_init(&buffer, 1000);
    assert_int_equal(weft_buffer_slice(&buffer, 0, 0).size, 0);
    weft_buffer_append(&buffer, "key=value", 9);
    weft_slice slice = weft_buffer_slice(&buffer, 4, 5);
    assert_int_equal(slice.size, 5);
    assert_memory_equal(slice.data, "value", 5);
    assert_ptr_equal(slice.data, weft_buffer_data(&buffer) + 4);
    weft_buffer_fini(&buffer);
}

static void test_buffer_lent_storage_goes_back_when_drained(void **state)
{
    (void)state;
    char storage[16] = "lent";
    struct lender lender = { .storage = storage, .capacity = sizeof storage };
    weft_buffer buffer;
    weft_buffer_init(&buffer, 100);
    assert_int_equal(wf_buffer_adopt(&buffer, storage, 16, 4, lender_take, &lender), 0);
    assert_ptr_equal(weft_buffer_data(&buffer), storage);
    weft_buffer_consume(&buffer, 3);
    assert_int_equal(weft_buffer_append(&buffer, "!", 1), 0); /* there is room */
    assert_content(&buffer, "t!");
    assert_int_equal(lender.returned, 0);
    weft_buffer_consume(&buffer, 2);
    assert_int_equal(lender.returned, 1);
    assert_null(buffer.storage);
    weft_buffer_fini(&buffer);
    assert_int_equal(lender.returned, 1);
}

static void test_buffer_lent_storage_goes_back_when_outgrown(void **state)
{
    (void)state;
    char storage[4] = { 'l', 'e', 'n', 't' };
    struct lender lender = { .storage = storage, .capacity = 4 };
    weft_buffer buffer;
    weft_buffer_init(&buffer, 100);
    weft_buffer_append(&buffer, "x", 1); /* storage of its own, which adopting replaces */
    weft_buffer_consume(&buffer, 1);
    assert_int_equal(wf_buffer_adopt(&buffer, storage, 4, 4, lender_take, &lender), 0);
    assert_int_equal(weft_buffer_append(&buffer, "+more", 5), 0);
    assert_int_equal(lender.returned, 1);
    assert_content(&buffer, "lent+more");
    weft_buffer_fini(&buffer);
}

static void test_buffer_lent_storage_goes_back_at_the_end(void **state)
{
    (void)state;
    char storage[4] = { 'l', 'e', 'n', 't' };
    struct lender lender = { .storage = storage, .capacity = 4 };
    weft_buffer buffer;
    weft_buffer_init(&buffer, 4);
    assert_int_equal(wf_buffer_adopt(&buffer, storage, 4, 4, lender_take, &lender), 0);
    weft_buffer_fini(&buffer);
    assert_int_equal(lender.returned, 1);
    weft_buffer_init(&buffer, 3);
    assert_int_equal(wf_buffer_adopt(&buffer, storage, 4, 4, lender_take, &lender), WEFT_ELIMIT);
    assert_int_equal(lender.returned, 1);
    weft_buffer_fini(&buffer);
}

static void test_buffer_without_memory_changes_nothing(void **state)
{
    (void)state;
    char storage[4] = { 'l', 'e', 'n', 't' };
    char *space = NULL;
    for (int persistent = 0; persistent < 2; persistent++) {
        struct wf_memory_fault fault = { .countdown = 1, .persistent = persistent };
        struct lender lender = { .storage = storage, .capacity = 4 };
        weft_buffer buffer;
        weft_buffer_init(&buffer, 10000);
        assert_int_equal(wf_buffer_adopt(&buffer, storage, 4, 4, lender_take, &lender), 0);
        wf_memory_fault_set(&fault);
        assert_int_equal(weft_buffer_append(&buffer, "abc", 3), -ENOMEM);
        fault.countdown = 1;
        assert_int_equal(weft_buffer_append_format(&buffer, "%d", 123), -ENOMEM);
        fault.countdown = 1;
        assert_int_equal(weft_buffer_reserve(&buffer, 5000, &space), -ENOMEM);
        assert_int_equal(fault.injected, 3);
        int err = weft_buffer_append(&buffer, "!", 1);
        assert_int_equal(err, persistent ? -ENOMEM : 0);
        wf_memory_fault_set(NULL);
        assert_null(space);
        assert_content(&buffer, persistent ? "lent" : "lent!");
        weft_buffer_fini(&buffer);
        assert_int_equal(lender.returned, 1);
    }
}

/* The model: the bytes that are readable, in order. */
struct model {
    char bytes[20000];
    size_t size;
};

/* The world around one buffer under test. */
struct world {
    struct dice dice;
    struct model model;
    weft_buffer buffer;
    struct lender lender;
    char lent[2000];
    unsigned char next; /* bytes count up, so that each place tells */
};

static void step_append(struct world *world)
{
    char bytes[3000];
    size_t size = dice_below(&world->dice, dice_below(&world->dice, 8) ? 200 : sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(world->next + i);
    int err = 0;
    if (dice_below(&world->dice, 2)) {
        err = weft_buffer_append(&world->buffer, bytes, size);
    } else {
        char *space;
        err = weft_buffer_reserve(&world->buffer, size, &space);
        if (!err && size > 0)
            memcpy(space, bytes, size);
        if (!err)
            weft_buffer_commit(&world->buffer, size);
    }
    if (err == -ENOMEM)
        return;
    assert_int_equal(err, size > world->buffer.limit - world->model.size ? WEFT_ELIMIT : 0);
    if (err)
        return;
    memcpy(world->model.bytes + world->model.size, bytes, size);
    world->model.size += size;
    world->next = (unsigned char)(world->next + size);
}

static void step_format(struct world *world)
{
    char text[512];
    int width = (int)dice_below(&world->dice, sizeof text - 1);
    int size = snprintf(text, sizeof text, "%*d", width, 7);
    int err = weft_buffer_append_format(&world->buffer, "%*d", width, 7);
    if (err == -ENOMEM)
        return;
    assert_int_equal(err, (size_t)size > world->buffer.limit - world->model.size ? WEFT_ELIMIT : 0);
    if (err)
        return;
    memcpy(world->model.bytes + world->model.size, text, (size_t)size);
    world->model.size += (size_t)size;
}

static void step_consume(struct world *world)
{
    struct model *model = &world->model;
    size_t size = dice_below(&world->dice, model->size + 1);
    if (dice_below(&world->dice, 4) == 0)
        size = model->size;
    weft_buffer_consume(&world->buffer, size);
    memmove(model->bytes, model->bytes + size, model->size - size);
    model->size -= size;
}

static void step_adopt(struct world *world)
{
    if (world->model.size > 0)
        return weft_buffer_release_if_empty(&world->buffer);
    size_t capacity = 1 + dice_below(&world->dice, sizeof world->lent);
    size_t used = 1 + dice_below(&world->dice, capacity);
    memset(world->lent, world->next, used);
    struct lender lender = { .storage = world->lent, .capacity = capacity };
    weft_buffer_release_if_empty(&world->buffer);
    world->lender = lender;
    int err =
        wf_buffer_adopt(&world->buffer, world->lent, capacity, used, lender_take, &world->lender);
    assert_int_equal(err, used > world->buffer.limit ? WEFT_ELIMIT : 0);
    if (err)
        return;
    memset(world->model.bytes, world->next, used);
    world->model.size = used;
}

static void step_find(struct world *world)
{
    struct model *model = &world->model;
    char needle[2] = { (char)dice_throw(&world->dice), 0 };
    needle[1] = (char)(needle[0] + 1);
    size_t size = 1 + dice_below(&world->dice, 2);
    size_t from = dice_below(&world->dice, model->size + 2);
    ssize_t expected = -1;
    for (size_t i = from; expected < 0 && i + size <= model->size; i++)
        if (memcmp(model->bytes + i, needle, size) == 0)
            expected = (ssize_t)i;
    assert_int_equal(weft_buffer_find(&world->buffer, from, needle, size), expected);
}

static void compare(const struct world *world)
{
    const weft_buffer *buffer = &world->buffer;
    assert_int_equal(weft_buffer_readable(buffer), world->model.size);
    assert_true(buffer->read <= buffer->write && buffer->write <= buffer->capacity);
    if (world->model.size > 0)
        assert_memory_equal(weft_buffer_data(buffer), world->model.bytes, world->model.size);
}

static void run_against_model(struct world *world, size_t limit,
                              const struct wf_buffer_storage *source)
{
    struct wf_memory_fault fault = { 0 };
    weft_buffer_init(&world->buffer, limit);
    world->buffer.source = source;
    world->model.size = 0;
    wf_memory_fault_set(&fault);
    for (int step = 0; step < STEPS / 6; step++) {
        void (*const steps[])(struct world *) = { step_append,  step_append, step_append,
                                                  step_format,  step_format, step_consume,
                                                  step_consume, step_adopt,  step_find };
        fault.countdown = dice_below(&world->dice, 50) == 0;
        steps[dice_below(&world->dice, 9)](world);
        if (step % 4 == 0)
            compare(world);
    }
    wf_memory_fault_set(NULL);
    compare(world);
    weft_buffer_fini(&world->buffer);
}

static void test_buffer_random_steps_match_model(void **state)
{
    (void)state;
    struct pool pool = { 0 };
    const struct wf_buffer_storage source = { pool_acquire, pool_release, &pool };
    const size_t limits[] = { 100, 5000, 20000 };
    struct world *world = calloc(1, sizeof *world);
    world->dice = dice_seed("test_buffer");
    for (int i = 0; i < 3; i++) {
        run_against_model(world, limits[i], NULL);
        run_against_model(world, limits[i], &source);
    }
    assert_int_equal(pool.out, 0);
    assert_int_equal(pool.acquired, pool.released);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer_init_allocates_nothing),
        cmocka_unit_test(test_buffer_append_then_consume),
        cmocka_unit_test(test_buffer_reserve_and_commit_less),
        cmocka_unit_test(test_buffer_limit_is_exact),
        cmocka_unit_test(test_buffer_limit_holds_in_larger_storage),
        cmocka_unit_test(test_buffer_drained_keeps_storage_until_released),
        cmocka_unit_test(test_buffer_compacts_before_it_grows),
        cmocka_unit_test(test_buffer_sliding_moves_little),
        cmocka_unit_test(test_buffer_find_finds_the_first),
        cmocka_unit_test(test_buffer_slice_borrows),
        cmocka_unit_test(test_buffer_lent_storage_goes_back_when_drained),
        cmocka_unit_test(test_buffer_lent_storage_goes_back_when_outgrown),
        cmocka_unit_test(test_buffer_lent_storage_goes_back_at_the_end),
        cmocka_unit_test(test_buffer_without_memory_changes_nothing),
        cmocka_unit_test(test_buffer_random_steps_match_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
