/* Mutexes, conditions, semaphores, events, channels, queues and select under the torture driver:
 * whatever fails, afterwards nobody holds them, nobody stands in line, and no item is lost or
 * doubled. */

#include "owned.h"

#include <fcntl.h>
#include <unistd.h>
#include <weft/channel.h>
#include <weft/condition.h>
#include <weft/event.h>
#include <weft/future.h>
#include <weft/mutex.h>
#include <weft/queue.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/semaphore.h>

#define LIMIT (100 * WEFT_MILLISECOND) /* of who waits for tasks that may be cancelled alone */

static int inside; /* the mutex; units of the semaphore that are taken */
static int senders, received;
static int last[4][2]; /* of each receiver and channel, by each sender: the last number */

static void begin(void)
{
    owned_begin();
    inside = senders = received = 0;
    for (int i = 0; i < 8; i++)
        last[i / 2][i % 2] = -1;
}

static void check(int result)
{
    owned_check(result);
    torture_require(inside == 0);
    if (torture_is_calm())
        torture_require(result == 0);
}

/* Who waits for one that was struck may wait until the limit. In any other run that is a wake-up
 * that was lost. */
static int end_of(weft_scope *s, int err)
{
    err = weft_scope_leave(s, err);
    return err == -ETIMEDOUT && torture_excuses(-ECANCELED) ? -ECANCELED : err;
}

/* Mutexes. */

static weft_mutex m;

static int hold(void)
{
    torture_require(inside++ == 0);
    int err = weft_sleep(WEFT_MILLISECOND);
    torture_require(--inside == 0);
    return err;
}

static int lock_and_hold(void *arg)
{
    int err = 0;
    (void)arg;
    for (int i = 0; err == 0 && i < 2; i++) {
        err = weft_mutex_lock(&m);
        if (err < 0)
            return err;
        err = hold();
        torture_require(weft_mutex_unlock(&m) == 0);
    }
    return err;
}

/* Nobody holds it, and it works. */
static void require_free_mutex(void)
{
    torture_require(weft_mutex_try_lock(&m) == 0);
    torture_require(weft_mutex_unlock(&m) == 0);
    weft_mutex_fini(&m);
}

static int mutexes(void *arg)
{
    weft_scope s;
    (void)arg;
    weft_mutex_init(&m);
    weft_scope_begin(&s, .timeout = LIMIT);
    for (int i = 0; i < 4; i++)
        weft_spawn(&s, lock_and_hold, NULL, .eager = i == 1);
    int err = end_of(&s, 0);
    require_free_mutex();
    return err;
}

/* Conditions: so many may go on, and who was told holds the mutex. */

static weft_condition changed;
static int ready;

static int wait_until_ready(void *arg)
{
    (void)arg;
    int err = weft_mutex_lock(&m);
    if (err < 0)
        return err;
    while (err == 0 && ready == 0)
        err = weft_condition_wait(&changed, &m);
    if (err == 0)
        ready--;
    if (err == 0)
        err = hold();
    torture_require(weft_mutex_try_lock(&m) == -EBUSY);
    torture_require(weft_mutex_unlock(&m) == 0);
    return err;
}

static int make_ready(void *arg)
{
    int err = weft_sleep(WEFT_MILLISECOND);
    for (int i = 0; err == 0 && i < 3; i++) {
        err = weft_mutex_lock(&m);
        if (err < 0)
            return err;
        ready++;
        weft_condition_notify(&changed, i == 1 ? SIZE_MAX : 1);
        err = hold();
        torture_require(weft_mutex_unlock(&m) == 0);
    }
    (void)arg;
    return err;
}

static int conditions(void *arg)
{
    weft_scope s;
    (void)arg;
    weft_mutex_init(&m);
    weft_condition_init(&changed);
    ready = 0;
    weft_scope_begin(&s, .timeout = LIMIT);
    for (int i = 0; i < 3; i++)
        weft_spawn(&s, wait_until_ready, NULL);
    weft_spawn(&s, make_ready, NULL);
    int err = end_of(&s, 0);
    weft_condition_fini(&changed);
    require_free_mutex();
    return err;
}

/* Semaphores. */

static weft_semaphore units;

static int take_units(void *arg)
{
    size_t count = *(size_t *)arg;
    int err = weft_semaphore_acquire(&units, count);
    if (err < 0)
        return err;
    inside += (int)count;
    torture_require(inside <= 3);
    err = weft_sleep(WEFT_MILLISECOND);
    inside -= (int)count;
    torture_require(weft_semaphore_release(&units, count) == 0);
    return err;
}

static void require_units(size_t count)
{
    weft_semaphore_stats stats;
    weft_semaphore_get_stats(&units, &stats);
    torture_require(stats.value == count && stats.line.waiting == 0);
    weft_semaphore_fini(&units);
}

static int semaphores(void *arg)
{
    static size_t wants[] = { 1, 3, 1, 2, 1 };
    weft_scope s;
    (void)arg;
    torture_require(weft_semaphore_init(&units, 3, .max = 3) == 0);
    weft_scope_begin(&s, .timeout = LIMIT);
    for (int i = 0; i < 5; i++)
        weft_spawn(&s, take_units, &wants[i], .eager = i == 3);
    int err = end_of(&s, 0);
    require_units(3);
    return err;
}

/* Events. */

static weft_event go;

static int wait_for_go(void *arg)
{
    (void)arg;
    return weft_event_wait(&go);
}

static int pulse(void *arg)
{
    (void)arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    weft_event_set(&go);
    weft_event_clear(&go);
    return err < 0 ? err : weft_sleep(0);
}

static int events(void *arg)
{
    weft_scope s;
    (void)arg;
    weft_event_init(&go);
    weft_scope_begin(&s, .timeout = LIMIT);
    for (int i = 0; i < 3; i++)
        weft_spawn(&s, wait_for_go, NULL);
    weft_spawn(&s, pulse, NULL);
    int err = end_of(&s, 0);
    weft_event_fini(&go);
    return err;
}

/* Channels: items are somebody's to free. */

static weft_channel c, other;

static void drop_item(void *item)
{
    give_back(*(void **)item);
}

/* The numbers of one sender come in order to each who receives from one channel. */
static void take(void *item, int lane)
{
    int number = number_of(item), sender = number / 100;
    torture_require(number > last[lane][sender]);
    last[lane][sender] = number;
    give_back(item);
    received++;
}

static int send_three(void *arg)
{
    int first = *(int *)arg, err = 0;
    for (int i = 0; err == 0 && i < 3; i++) {
        void *item = own(first + i);
        err = weft_channel_send(&c, &item);
        if (err < 0)
            give_back(item);
        else if (i == 0)
            err = weft_sleep(0);
    }
    return err;
}

/* Ended, or never begun. */
static void sender_is_gone(void *arg)
{
    (void)arg;
    if (--senders == 0)
        weft_channel_close(&c);
}

static int receive_all(void *arg)
{
    void *item;
    int err, receiver = *(int *)arg;
    while ((err = weft_channel_receive(&c, &item)) == 0)
        take(item, receiver);
    return err == WEFT_ECLOSED ? 0 : err;
}

static int firsts[] = { 0, 100 }, receivers[] = { 0, 1 };

static void spawn_senders(weft_scope *s)
{
    senders = 2;
    for (int i = 0; i < 2; i++)
        if (weft_spawn(s, send_three, &firsts[i], .drop = sender_is_gone) < 0)
            sender_is_gone(NULL);
}

static int pass_items(size_t capacity)
{
    weft_scope s;
    int err = weft_channel_init(&c, sizeof(void *), capacity, .drop = drop_item);
    if (err < 0)
        return err;
    weft_scope_begin(&s, .timeout = LIMIT);
    for (int i = 0; i < 2; i++)
        weft_spawn(&s, receive_all, &receivers[i]);
    spawn_senders(&s);
    err = end_of(&s, 0);
    weft_channel_fini(&c);
    if (torture_is_calm())
        torture_require(received == 6);
    return err;
}

static int unbuffered(void *arg)
{
    (void)arg;
    return pass_items(0);
}

static int bounded(void *arg)
{
    (void)arg;
    return pass_items(2);
}

static int unbounded(void *arg)
{
    (void)arg;
    return pass_items(WEFT_UNBOUNDED);
}

/* Somebody closes it while senders and receivers wait. */
static int close_early(void *arg)
{
    (void)arg;
    int err = weft_sleep(0);
    weft_channel_close(&c);
    return err;
}

static int closed_early(void *arg)
{
    weft_scope s;
    (void)arg;
    int err = weft_channel_init(&c, sizeof(void *), 1, .drop = drop_item);
    if (err < 0)
        return err;
    weft_scope_begin(&s, .timeout = LIMIT, .isolate = true);
    spawn_senders(&s);
    weft_spawn(&s, close_early, NULL);
    weft_spawn(&s, receive_all, &receivers[0]);
    err = end_of(&s, 0);
    weft_channel_fini(&c);
    return err;
}

/* Queues: workers, a join, and the end. */

static weft_queue q;

static int compare_items(const void *a, const void *b)
{
    return number_of(*(void *const *)b) - number_of(*(void *const *)a);
}

static int work(void *arg)
{
    void *item;
    int err;
    (void)arg;
    while ((err = weft_queue_get(&q, &item)) == 0) {
        err = weft_sleep(number_of(item) % 2 ? WEFT_MILLISECOND : 0);
        give_back(item);
        torture_require(weft_queue_task_done(&q) == 0);
        if (err < 0)
            return err;
    }
    return err == WEFT_ECLOSED ? 0 : err;
}

static int produce(void)
{
    int err = 0;
    for (int i = 0; err == 0 && i < 5; i++) {
        void *item = own(i);
        err = weft_queue_put(&q, &item);
        if (err < 0)
            give_back(item);
    }
    return err < 0 ? err : weft_queue_join(&q);
}

static int queue_of(uint8_t order, size_t max)
{
    weft_scope s;
    int err = weft_queue_init(&q, sizeof(void *), max, .order = order, .compare = compare_items,
                              .drop = drop_item);
    if (err < 0)
        return err;
    weft_scope_begin(&s, .timeout = LIMIT);
    for (int i = 0; i < 2; i++)
        weft_spawn(&s, work, NULL);
    err = produce();
    weft_queue_shutdown(&q, err < 0);
    err = end_of(&s, err);
    weft_queue_fini(&q);
    return err;
}

static int queues(void *arg)
{
    (void)arg;
    int err = queue_of(WEFT_QUEUE_FIFO, 2);
    err = err < 0 ? err : queue_of(WEFT_QUEUE_LIFO, WEFT_UNBOUNDED);
    return err < 0 ? err : queue_of(WEFT_QUEUE_PRIORITY, WEFT_UNBOUNDED);
}

/* Select: items come through two channels, units and a future come beside them. */

static int choose(weft_future *future, int receiver)
{
    void *one, *two;
    weft_case cases[] = {
        weft_case_receive(&c, &one),           weft_case_receive(&other, &two),
        weft_case_acquire(&units, 2),          weft_case_await(weft_any(future)),
        weft_case_after(3 * WEFT_MILLISECOND), weft_case_event(&go),
    };
    for (;;) {
        ssize_t index = weft_select(cases, 6);
        if (index < 0)
            return (int)index;
        if (index < 2 && cases[index].result == WEFT_ECLOSED)
            cases[index] = weft_case_none();
        else if (index == 0)
            take(one, receiver);
        else if (index == 1)
            take(two, 2 + receiver);
        else if (index == 2)
            torture_require(weft_semaphore_release(&units, 2) == 0);
        else if (index == 5)
            return 0;
        if (index == 2 || index == 3)
            cases[index] = weft_case_none();
    }
}

static int choose_as_first(void *future)
{
    return choose(future, 0);
}

static int choose_as_second(void *future)
{
    return choose(future, 1);
}

/* An item goes to whichever channel has room first, or nowhere. */
static int send_somewhere(void *arg)
{
    int first = *(int *)arg;
    for (int i = 0; i < 3; i++) {
        void *item = own(first + i);
        weft_case cases[] = { weft_case_send(&c, &item), weft_case_send(&other, &item),
                              weft_case_after(5 * WEFT_MILLISECOND) };
        ssize_t index = weft_select(cases, 3);
        if (index < 0 || index == 2 || cases[index].result < 0)
            give_back(item);
        if (index < 0)
            return (int)index;
    }
    return 0;
}

static int stir(void *arg)
{
    weft_future *future = arg;
    int err = weft_sleep(WEFT_MILLISECOND);
    weft_semaphore_release(&units, 1);
    if (err == 0)
        err = weft_sleep(WEFT_MILLISECOND);
    weft_semaphore_release(&units, 1);
    weft_future_set(future, NULL);
    return err < 0 ? err : weft_sleep(20 * WEFT_MILLISECOND);
}

static void stirred(void *arg)
{
    (void)arg;
    weft_event_set(&go);
}

/* stir() may never begin: then nobody has released anything. */
static void require_no_lines(void)
{
    weft_semaphore_stats stats;
    weft_semaphore_get_stats(&units, &stats);
    torture_require(stats.value == 0 || stats.value == 2);
    weft_semaphore_fini(&units);
    weft_event_fini(&go);
}

static int select_with(weft_future *future)
{
    weft_scope s;
    weft_scope_begin(&s, .timeout = LIMIT);
    weft_spawn(&s, choose_as_first, future);
    weft_spawn(&s, choose_as_second, future);
    for (int i = 0; i < 2; i++)
        weft_spawn(&s, send_somewhere, &firsts[i]);
    weft_spawn(&s, stir, future, .drop = stirred);
    return end_of(&s, 0);
}

static int selects(void *arg)
{
    (void)arg;
    torture_require(weft_semaphore_init(&units, 0) == 0);
    weft_event_init(&go);
    int err = weft_channel_init(&c, sizeof(void *), 0, .drop = drop_item);
    if (err < 0)
        return err;
    err = weft_channel_init(&other, sizeof(void *), 1, .drop = drop_item);
    if (err == 0) {
        weft_future *future = weft_future_new();
        err = future ? select_with(future) : -ENOMEM;
        weft_future_release(future);
        weft_channel_fini(&other);
    }
    weft_channel_fini(&c);
    require_no_lines();
    return err;
}

/* Select over a descriptor, twice the same, beside others. */

static int pipes[2];

static int choose_readable(void *arg)
{
    weft_case cases[] = { weft_case_poll(pipes[0], WEFT_READABLE), weft_case_event(&go),
                          weft_case_poll(pipes[0], WEFT_HANGUP),
                          weft_case_after(5 * WEFT_MILLISECOND) };
    (void)arg;
    ssize_t index = weft_select(cases, 4);
    return index < 0 ? (int)index : cases[index].result < 0 ? (int)cases[index].result : 0;
}

static int write_later(void *arg)
{
    int err = weft_sleep(WEFT_MILLISECOND);
    (void)arg;
    torture_require(write(pipes[1], "x", 1) == 1);
    return err;
}

static int descriptors(void *arg)
{
    weft_scope s;
    (void)arg;
    torture_require(pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0);
    weft_event_init(&go);
    weft_scope_begin(&s, .timeout = LIMIT);
    weft_spawn(&s, choose_readable, NULL);
    weft_spawn(&s, choose_readable, NULL);
    weft_spawn(&s, write_later, NULL);
    int err = end_of(&s, 0);
    weft_event_fini(&go);
    close(pipes[0]);
    close(pipes[1]);
    return err;
}

static const struct torture_scenario scenarios[] = {
    { "mutexes", .main = mutexes, .begin = begin, .check = check },
    { "conditions", .main = conditions, .begin = begin, .check = check },
    { "semaphores", .main = semaphores, .begin = begin, .check = check },
    { "events", .main = events, .begin = begin, .check = check },
    { "channel_unbuffered", .main = unbuffered, .begin = begin, .check = check },
    { "channel_bounded", .main = bounded, .begin = begin, .check = check },
    { "channel_unbounded", .main = unbounded, .begin = begin, .check = check },
    { "channel_closed", .main = closed_early, .begin = begin, .check = check },
    { "queues", .main = queues, .begin = begin, .check = check },
    { "selects", .main = selects, .begin = begin, .check = check },
    { "descriptors", .main = descriptors, .begin = begin, .check = check },
};

int main(void)
{
    return torture(scenarios, TORTURE_COUNT(scenarios));
}
