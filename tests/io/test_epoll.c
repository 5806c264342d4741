/* What is the epoll driver's own: a release in the middle of a batch, where a cancel is always done
 * at once; how it keeps blocks; its two ways to wait. */

#include "io_test.h"

#include "io/epoll_inside.h"

#include <stdlib.h>

/* Two connections with an event in one batch; the first to hear of its own ends the other. */
struct rivals {
    struct world *world;
    struct echo *echoes[2]; /* NULL: ended */
    struct wf_descriptor newcomer;
    int newcomer_peer;
};

static void end_the_other(struct probe *probe)
{
    struct rivals *rivals = probe->with;
    int other = &rivals->echoes[0]->probe == probe;
    int number = rivals->echoes[other]->descriptor.fd;
    echo_close(rivals->world, rivals->echoes[other]);
    free(rivals->echoes[other]);
    rivals->echoes[other] = NULL;
    make_pair(rivals->world, &rivals->newcomer, &rivals->newcomer_peer);
    assert_int_equal(rivals->newcomer.fd, number); /* the lowest free one */
}

static void test_epoll_release_in_a_batch_silences_later_events(void **state)
{
    (void)state;
    struct world world;
    struct rivals rivals = { .world = &world };
    world_open(&world);
    for (int i = 0; i < 2; i++) {
        rivals.echoes[i] = malloc(sizeof *rivals.echoes[i]);
        echo_open(&world, rivals.echoes[i], make_pair);
        assert_int_equal(echo_recv(&world, rivals.echoes[i]), WF_PENDING);
        rivals.echoes[i]->probe.then = end_the_other;
        rivals.echoes[i]->probe.with = &rivals;
    }
    drain(&world);
    peer_send(rivals.echoes[0]->peer, "a");
    peer_send(rivals.echoes[1]->peer, "b");
    world.ops->wait(world.io, PATIENCE);
    struct echo *survivor = rivals.echoes[0] ? rivals.echoes[0] : rivals.echoes[1];
    assert_true(!rivals.echoes[0] != !rivals.echoes[1]);
    assert_int_equal(survivor->probe.calls, 1);
    assert_false(rivals.newcomer.can_read); /* the event was for the number's last owner */
    world.ops->release(world.io, &rivals.newcomer);
    close(rivals.newcomer_peer);
    echo_close(&world, survivor);
    free(survivor);
    world_close(&world);
}

struct self_ending {
    struct world *world;
    struct echo *echo;
    struct probe writer;
};

static void end_itself(struct probe *probe)
{
    struct self_ending *ending = probe->with;
    assert_true(ending->world->ops->cancel(ending->world->io, &ending->writer.op));
    echo_close(ending->world, ending->echo);
    memset(ending->echo, 0xff, sizeof *ending->echo);
    free(ending->echo);
}

static void test_epoll_release_by_its_own_reader_spares_the_writer(void **state)
{
    (void)state;
    const size_t size = 4 << 20;
    struct world world;
    struct self_ending ending = { .world = &world };
    char *data = calloc(1, size);
    struct iovec vector = { data, size };
    world_open(&world);
    ending.echo = malloc(sizeof *ending.echo);
    echo_open(&world, ending.echo, make_pair);
    int peer = ending.echo->peer;
    while (submit_send(&world, &ending.writer, &ending.echo->descriptor, &vector, 1) != WF_PENDING)
        ;
    assert_int_equal(echo_recv(&world, ending.echo), WF_PENDING);
    ending.echo->probe.then = end_itself;
    ending.echo->probe.with = &ending;
    ending.echo->peer = -1;
    close(peer); /* one event for both */
    world.ops->wait(world.io, PATIENCE);
    assert_int_equal(ending.writer.calls, 0);
    world_close(&world);
    free(data);
}

static void test_epoll_lend_gives_memory_back_after_a_crowd(void **state)
{
    (void)state;
    struct world world;
    enum { COUNT = 100 };
    struct echo *echoes = calloc(COUNT, sizeof *echoes);
    world_open_with(&world, (struct wf_io_options){ .block_size = 256 << 10 });
    struct wf_blocks *blocks = &wf_container(world.io, struct wf_epoll, base)->blocks;
    for (int i = 0; i < COUNT; i++) {
        echo_open(&world, &echoes[i], make_pair);
        peer_send(echoes[i].peer, "x");
    }
    drain(&world);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(submit_lend(&world, &echoes[i].probe, &echoes[i].descriptor), 1);
    assert_int_equal(blocks->lent, COUNT);
    for (int i = 0; i < COUNT; i++)
        world.ops->lend_return(world.io, echoes[i].probe.op.lend.data);
    assert_int_equal(blocks->lent, 0);
    assert_int_equal(blocks->kept, 32); /* 8 MiB */
    for (int i = 0; i < COUNT; i++)
        echo_close(&world, &echoes[i]);
    free(echoes);
    world_close(&world);
}

static void test_epoll_wait_is_never_early(void **state)
{
    (void)state;
    struct world world;
    struct wf_clock clock;
    wf_clock_init(&clock, false);
    world_open(&world);
    struct wf_epoll *io = wf_container(world.io, struct wf_epoll, base);
    for (int form = 0; form < 2; form++) {
        io->has_pwait2 = form == 0; /* else: rounded up to milliseconds */
        int64_t start = wf_clock_now(&clock);
        world.ops->wait(world.io, 100 * WEFT_MICROSECOND);
        assert_true(wf_clock_now(&clock) - start >= 100 * WEFT_MICROSECOND);
    }
    world.ops->wait(world.io, -5); /* the past: no wait at all */
    world_close(&world);
}

int main(void)
{
    setenv("WEFT_BACKEND", "epoll", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epoll_release_in_a_batch_silences_later_events),
        cmocka_unit_test(test_epoll_release_by_its_own_reader_spares_the_writer),
        cmocka_unit_test(test_epoll_lend_gives_memory_back_after_a_crowd),
        cmocka_unit_test(test_epoll_wait_is_never_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
