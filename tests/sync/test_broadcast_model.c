/* Broadcasts against a plain model: subscriptions, tasks that wait to send and to receive, ends and
 * cancels, in any order. The model says of each task whether it waits, and else what it was told.
 */

#include "base/model.h"
#include "core/core_test.h"

#include <weft/broadcast.h>

static weft_broadcast b;

enum { SUBSCRIPTIONS = 5, ACTORS = 20, LOG = 1024, EPISODE = 400 };

struct actor {
    weft_task *task;
    int of; /* a subscription's index; -1: it sends */
    int item, result;
    bool ended;
    bool used, waits; /* the model's, and those below */
    long since;
    int expected, expected_item;
};

static struct {
    struct dice dice;
    weft_scope *scope;
    weft_subscription real[SUBSCRIPTIONS];
    bool begun[SUBSCRIPTIONS];
    int next[SUBSCRIPTIONS];
    struct actor actors[ACTORS];
    int log[LOG];
    int head, capacity;
    long clock;
    bool slowest, closed;
} m;

static int act(void *arg)
{
    struct actor *actor = arg;
    actor->result = actor->of < 0
                        ? weft_broadcast_send(&b, &actor->item)
                        : (int)weft_subscription_receive(&m.real[actor->of], &actor->item);
    actor->ended = true;
    return 0;
}

static struct actor *first_waiting(int of)
{
    struct actor *first = NULL;
    for (int i = 0; i < ACTORS; i++) {
        struct actor *actor = &m.actors[i];
        if (actor->used && actor->waits && actor->of == of &&
            (!first || actor->since < first->since))
            first = actor;
    }
    return first;
}

static void told(struct actor *actor, int result, int item)
{
    actor->waits = false;
    actor->expected = result;
    actor->expected_item = item;
}

static int model_tail(void)
{
    int tail = m.head;
    if (!m.slowest)
        return m.head < m.capacity ? 0 : m.head - m.capacity;
    for (int i = 0; i < SUBSCRIPTIONS; i++)
        if (m.begun[i] && m.next[i] < tail)
            tail = m.next[i];
    return tail;
}

static bool model_is_full(void)
{
    return m.slowest && m.head - model_tail() == m.capacity;
}

static int model_put(int item)
{
    int count = 0;
    m.log[m.head++] = item;
    for (int i = 0; i < SUBSCRIPTIONS; i++) {
        struct actor *actor = m.begun[i] ? first_waiting(i) : NULL;
        count += m.begun[i];
        if (actor) {
            told(actor, 0, item);
            m.next[i] = m.head;
        }
    }
    return count;
}

static void model_let_in(void)
{
    struct actor *actor;
    while (!model_is_full() && (actor = first_waiting(-1)))
        told(actor, model_put(actor->item), 0);
}

/* -EAGAIN: it would wait. */
static int model_send(int item)
{
    return m.closed ? WEFT_ECLOSED : model_is_full() ? -EAGAIN : model_put(item);
}

static int model_receive(int of, int *item)
{
    int tail = model_tail(), missed = tail > m.next[of] ? tail - m.next[of] : 0;
    if (m.next[of] == m.head)
        return m.closed ? WEFT_ECLOSED : -EAGAIN;
    m.next[of] += missed;
    *item = m.log[m.next[of]++];
    model_let_in();
    return missed;
}

/* A task that sends or receives. Eager: it has asked when this returns. */
static void start(int of, int item)
{
    struct actor *actor = m.actors;
    while (actor < m.actors + ACTORS && actor->used)
        actor++;
    if (actor == m.actors + ACTORS)
        return;
    *actor = (struct actor){ .of = of, .item = item, .used = true, .since = m.clock++ };
    int got = 0, result = of < 0 ? model_send(item) : model_receive(of, &got);
    if (result == -EAGAIN)
        actor->waits = true;
    else
        told(actor, result, got);
    assert_int_equal(weft_spawn(m.scope, act, actor, .task = &actor->task, .eager = true), 0);
}

static void send_now(int item)
{
    assert_int_equal(weft_broadcast_try_send(&b, &item), model_send(item));
}

static void receive_now(int of)
{
    int item = -1, expected = -1, result = model_receive(of, &expected);
    assert_int_equal(weft_subscription_try_receive(&m.real[of], &item), result);
    assert_int_equal(item, expected);
}

static void begin_or_end(int of)
{
    struct actor *actor;
    if (!m.begun[of]) {
        m.begun[of] = true;
        m.next[of] = m.head;
        assert_int_equal(weft_subscription_begin(&m.real[of], &b), 0);
        return;
    }
    while ((actor = first_waiting(of)))
        told(actor, WEFT_ECLOSED, 0);
    m.begun[of] = false;
    model_let_in();
    weft_subscription_end(&m.real[of]);
}

static void cancel_one(struct actor *actor)
{
    if (!actor->used)
        return;
    weft_task_cancel(actor->task, "the model says so");
    if (actor->waits)
        told(actor, -ECANCELED, 0);
}

static void model_step(void)
{
    size_t choice = dice_below(&m.dice, 100);
    int of = (int)dice_below(&m.dice, SUBSCRIPTIONS), item = (int)dice_below(&m.dice, 1000000);
    if (choice < 25)
        start(-1, item);
    else if (choice < 40)
        send_now(item);
    else if (choice < 62 && m.begun[of])
        start(of, 0);
    else if (choice < 82 && m.begun[of])
        receive_now(of);
    else if (choice < 90)
        cancel_one(&m.actors[dice_below(&m.dice, ACTORS)]);
    else if (choice < 96)
        begin_or_end(of);
}

/* Who was woken has run: all is as the model says. */
static void compare(void)
{
    weft_broadcast_stats stats;
    weft_sleep(0);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *actor = &m.actors[i];
        if (!actor->used)
            continue;
        assert_int_equal(actor->ended, !actor->waits);
        if (actor->waits)
            continue;
        assert_int_equal(actor->result, actor->expected);
        if (actor->of >= 0 && actor->result >= 0)
            assert_int_equal(actor->item, actor->expected_item);
        weft_task_release(actor->task);
        actor->used = false;
    }
    weft_broadcast_get_stats(&b, &stats);
    assert_int_equal(stats.sent, m.head);
    assert_int_equal(stats.kept, m.head - model_tail());
}

static void close_model(void)
{
    struct actor *actor;
    m.closed = true;
    for (int of = -1; of < SUBSCRIPTIONS; of++)
        while ((actor = first_waiting(of)))
            told(actor, WEFT_ECLOSED, 0);
    weft_broadcast_close(&b);
}

/* One broadcast from its beginning to its end. */
static int episode(long steps)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    m.scope = &scope;
    m.slowest = dice_below(&m.dice, 2);
    m.capacity = (int)dice_below(&m.dice, 6) + 1;
    m.closed = false;
    m.head = 0;
    int err =
        weft_broadcast_init(&b, sizeof(int), (size_t)m.capacity, .wait_for_slowest = m.slowest);
    assert_int_equal(err, 0);
    for (long i = 0; i < steps; i++) {
        model_step();
        if (dice_below(&m.dice, 3) > 0)
            compare();
    }
    close_model();
    for (int i = 0; i < 20; i++)
        model_step();
    compare();
    for (int i = 0; i < SUBSCRIPTIONS; i++)
        if (m.begun[i])
            begin_or_end(i);
    weft_broadcast_fini(&b);
    return weft_scope_end(&scope);
}

static int model_main(void *arg)
{
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    long left = text ? strtol(text, NULL, 10) : 100000;
    int err = 0;
    (void)arg;
    m.dice = dice_seed("broadcast");
    for (; left > 0 && err == 0; left -= EPISODE)
        err = episode(EPISODE);
    return err;
}

static void test_broadcast_does_what_a_plain_model_does(void **state)
{
    (void)state;
    assert_int_equal(run(model_main, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_broadcast_does_what_a_plain_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
