/* The chain against a plain array of bytes, and a count of what was lent to it. */

#include "model.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <weft/error.h>

#define STEPS 60000

/* All of the chain as one run of bytes, by way of its pieces. */
static size_t flatten(const weft_chain *chain, char *bytes, size_t room)
{
    struct iovec pieces[512];
    int count = weft_chain_iovec(chain, pieces, 512);
    size_t at = 0;
    for (int i = 0; i < count && at < room; i++) {
        size_t size = pieces[i].iov_len < room - at ? pieces[i].iov_len : room - at;
        assert_true(pieces[i].iov_len > 0);
        memcpy(bytes + at, pieces[i].iov_base, size);
        at += size;
    }
    return at;
}

static void assert_content(const weft_chain *chain, const char *text)
{
    char bytes[1000];
    assert_int_equal(weft_chain_size(chain), strlen(text));
    assert_int_equal(flatten(chain, bytes, sizeof bytes), strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

static void count_release(void *context)
{
    (*(int *)context)++;
}

static void test_chain_init_allocates_nothing(void **state)
{
    (void)state;
    uint64_t before = wf_memory_count();
    struct iovec piece;
    weft_chain chain;
    weft_chain_init(&chain, 0);
    assert_int_equal(chain.limit, WEFT_BUFFER_LIMIT);
    assert_int_equal(weft_chain_iovec(&chain, &piece, 1), 0);
    assert_int_equal(weft_chain_append(&chain, NULL, 0), 0);
    weft_chain_consume(&chain, 0);
    weft_chain_release_if_empty(&chain);
    assert_int_equal(wf_memory_count(), before);
    weft_chain_fini(&chain);
    weft_chain_fini(NULL);
}

static void test_chain_small_copies_share_a_piece(void **state)
{
    (void)state;
    struct iovec pieces[4];
    weft_chain chain;
    weft_chain_init(&chain, 1000);
    weft_chain_append(&chain, "HTTP/1.1 ", 9);
    weft_chain_append(&chain, "200 OK\r\n", 8);
    assert_int_equal(weft_chain_iovec(&chain, pieces, 4), 1);
    assert_content(&chain, "HTTP/1.1 200 OK\r\n");
    weft_chain_fini(&chain);
}

static void test_chain_keeps_the_order_of_copies_and_borrows(void **state)
{
    (void)state;
    static const char body[] = "body";
    struct iovec pieces[4];
    weft_chain chain;
    weft_chain_init(&chain, 1000);
    weft_chain_append(&chain, "head ", 5);
    weft_chain_append_borrowed(&chain, body, 4, NULL, NULL);
    weft_chain_append(&chain, " tail", 5);
    assert_int_equal(weft_chain_iovec(&chain, pieces, 4), 3);
    assert_ptr_equal(pieces[1].iov_base, body);
    assert_int_equal(weft_chain_iovec(&chain, pieces, 2), 2);
    assert_content(&chain, "head body tail");
    weft_chain_consume(&chain, 7);
    assert_content(&chain, "dy tail");
    weft_chain_fini(&chain);
}

static void test_chain_releases_a_borrow_with_its_last_byte(void **state)
{
    (void)state;
    int released = 0;
    weft_chain chain;
    weft_chain_init(&chain, 1000);
    weft_chain_append(&chain, "ab", 2);
    weft_chain_append_borrowed(&chain, "cdef", 4, count_release, &released);
    weft_chain_append_borrowed(&chain, "gh", 2, count_release, &released);
    weft_chain_consume(&chain, 5);
    assert_int_equal(released, 0);
    weft_chain_consume(&chain, 1);
    assert_int_equal(released, 1);
    weft_chain_fini(&chain);
    assert_int_equal(released, 2);
}

static void test_chain_empty_borrow_is_released_at_once(void **state)
{
    (void)state;
    int released = 0;
    weft_chain chain;
    weft_chain_init(&chain, 1000);
    assert_int_equal(weft_chain_append_borrowed(&chain, "", 0, count_release, &released), 0);
    assert_int_equal(weft_chain_append_borrowed(&chain, "", 0, NULL, NULL), 0);
    assert_int_equal(released, 1);
    weft_chain_fini(&chain);
}

static void test_chain_limit_is_exact(void **state)
{
    (void)state;
    int released = 0;
    weft_chain chain;
    weft_chain_init(&chain, 6);
    assert_int_equal(weft_chain_append(&chain, "1234567", 7), WEFT_ELIMIT);
    assert_int_equal(weft_chain_append(&chain, "123", 3), 0);
    assert_int_equal(weft_chain_append_borrowed(&chain, "4567", 4, count_release, &released),
                     WEFT_ELIMIT);
    assert_int_equal(weft_chain_append_borrowed(&chain, "456", 3, count_release, &released), 0);
    assert_int_equal(weft_chain_append(&chain, "7", 1), WEFT_ELIMIT);
    assert_int_equal(released, 0);
    weft_chain_consume(&chain, 1);
    assert_int_equal(weft_chain_append(&chain, "7", 1), 0);
    assert_content(&chain, "234567");
    weft_chain_fini(&chain);
}

static void test_chain_pieces_survive_later_appends(void **state)
{
    (void)state;
    char large[20000];
    struct iovec pieces[1];
    weft_chain chain;
    memset(large, 'x', sizeof large);
    weft_chain_init(&chain, 0);
    weft_chain_append(&chain, "first", 5);
    weft_chain_iovec(&chain, pieces, 1);
    weft_chain_append(&chain, large, sizeof large);
    weft_chain_append_borrowed(&chain, large, sizeof large, NULL, NULL);
    assert_memory_equal(pieces[0].iov_base, "first", 5);
    weft_chain_fini(&chain);
}

static void test_chain_in_steady_state_allocates_nothing(void **state)
{
    (void)state;
    weft_chain chain;
    weft_chain_init(&chain, 0);
    weft_chain_append(&chain, "x", 1);
    weft_chain_consume(&chain, 1);
    uint64_t before = wf_memory_count();
    for (int i = 0; i < 1000; i++) {
        weft_chain_append(&chain, "head", 4);
        weft_chain_append_borrowed(&chain, "body", 4, NULL, NULL);
        weft_chain_consume(&chain, 8);
    }
    assert_int_equal(wf_memory_count(), before);
    weft_chain_release_if_empty(&chain);
    assert_null(chain.block);
    weft_chain_fini(&chain);
}

/* The model: the bytes that wait, in order, and how many borrows came and went. */
struct world {
    struct dice dice;
    weft_chain chain;
    char bytes[60000];
    size_t size;
    char lendable[256 + 3000]; /* counts up, so a borrow may start anywhere */
    int lent, released;
    size_t out; /* bytes of storage the pool has handed out */
};

static char *pool_acquire(void *context, size_t size, size_t *capacity)
{
    struct world *world = context;
    *capacity = size + 1 + dice_below(&world->dice, 100); /* odd ends */
    char *storage = wf_alloc(*capacity);
    world->out += storage ? *capacity : 0;
    return storage;
}

static void pool_release(void *context, char *storage, size_t capacity)
{
    ((struct world *)context)->out -= capacity;
    wf_free(storage);
}

static void step_append(struct world *world)
{
    size_t size = dice_below(&world->dice, dice_below(&world->dice, 5) ? 150 : 3000);
    const char *data = world->lendable + dice_below(&world->dice, 256);
    bool is_borrow = dice_below(&world->dice, 2);
    int err = is_borrow ? weft_chain_append_borrowed(&world->chain, data, size, count_release,
                                                     &world->released)
                        : weft_chain_append(&world->chain, data, size);
    if (err == -ENOMEM)
        return;
    assert_int_equal(err, size > world->chain.limit - world->size ? WEFT_ELIMIT : 0);
    if (err)
        return;
    world->lent += is_borrow;
    memcpy(world->bytes + world->size, data, size);
    world->size += size;
}

static void step_consume(struct world *world)
{
    size_t size = dice_below(&world->dice, world->size + 1);
    if (dice_below(&world->dice, 10) == 0)
        size = world->size;
    else if (dice_below(&world->dice, 4))
        size %= 300;
    weft_chain_consume(&world->chain, size);
    memmove(world->bytes, world->bytes + size, world->size - size);
    world->size -= size;
    if (dice_below(&world->dice, 8) == 0)
        weft_chain_release_if_empty(&world->chain);
}

static void compare(struct world *world)
{
    char bytes[sizeof world->bytes];
    size_t size = flatten(&world->chain, bytes, sizeof bytes);
    assert_int_equal(weft_chain_size(&world->chain), world->size);
    assert_true(size <= world->size);
    assert_memory_equal(bytes, world->bytes, size);
}

static void run_against_model(struct world *world, size_t limit,
                              const struct wf_buffer_storage *source)
{
    struct wf_memory_fault fault = { 0 };
    weft_chain_init(&world->chain, limit);
    world->chain.source = source;
    world->size = 0;
    wf_memory_fault_set(&fault);
    for (int step = 0; step < STEPS / 4; step++) {
        bool filling = (step / 500) % 2 == 0;
        fault.countdown = dice_below(&world->dice, 30) == 0;
        if (dice_below(&world->dice, 10) < (filling ? 6 : 4))
            step_append(world);
        else
            step_consume(world);
        if (step % 8 == 0)
            compare(world);
    }
    wf_memory_fault_set(NULL);
    compare(world);
    weft_chain_fini(&world->chain);
    assert_int_equal(world->lent, world->released);
    assert_int_equal(world->out, 0);
}

static void test_chain_random_steps_match_model(void **state)
{
    (void)state;
    struct world *world = calloc(1, sizeof *world);
    const struct wf_buffer_storage source = { pool_acquire, pool_release, world };
    world->dice = dice_seed("test_chain");
    for (size_t i = 0; i < sizeof world->lendable; i++)
        world->lendable[i] = (char)i;
    run_against_model(world, 1000, NULL);
    run_against_model(world, 50000, NULL);
    run_against_model(world, 1000, &source);
    run_against_model(world, 50000, &source);
    free(world);
}

static void test_chain_without_memory_changes_nothing(void **state)
{
    (void)state;
    char large[5000];
    memset(large, 'x', sizeof large);
    for (int persistent = 0; persistent < 2; persistent++) {
        struct wf_memory_fault fault = { .countdown = 1, .persistent = persistent };
        int released = 0;
        weft_chain chain;
        weft_chain_init(&chain, 0);
        wf_memory_fault_set(&fault);
        assert_int_equal(weft_chain_append(&chain, "abc", 3), -ENOMEM);
        fault.countdown = 1;
        assert_int_equal(weft_chain_append_borrowed(&chain, "abc", 3, count_release, &released),
                         -ENOMEM);
        fault.countdown = 0;
        assert_int_equal(weft_chain_append(&chain, "abc", 3), 0);
        fault.countdown = 1;
        assert_int_equal(weft_chain_append(&chain, large, sizeof large), -ENOMEM);
        assert_int_equal(fault.injected, 3);
        wf_memory_fault_set(NULL);
        assert_content(&chain, "abc");
        assert_int_equal(released, 0);
        weft_chain_fini(&chain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_init_allocates_nothing),
        cmocka_unit_test(test_chain_small_copies_share_a_piece),
        cmocka_unit_test(test_chain_keeps_the_order_of_copies_and_borrows),
        cmocka_unit_test(test_chain_releases_a_borrow_with_its_last_byte),
        cmocka_unit_test(test_chain_empty_borrow_is_released_at_once),
        cmocka_unit_test(test_chain_limit_is_exact),
        cmocka_unit_test(test_chain_pieces_survive_later_appends),
        cmocka_unit_test(test_chain_in_steady_state_allocates_nothing),
        cmocka_unit_test(test_chain_random_steps_match_model),
        cmocka_unit_test(test_chain_without_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
