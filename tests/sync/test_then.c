/* Stackless tasks at channels, queues, events and semaphores: served in one line with tasks. */

#include "core/core_test.h"

#include <weft/mailbox.h>
#include <weft/select.h>
#include <weft/stackless.h>

struct worker {
    weft_stackless self;
    const char *letter;
    weft_channel *in, *out;
    weft_queue *jobs;
    weft_event *event;
    weft_semaphore *units;
    int item;
};

static struct worker *worker_of(weft_stackless *self)
{
    return weft_stackless_of(self, struct worker, self);
}

static int stop(weft_stackless *self, int64_t result)
{
    char text[40];
    snprintf(text, sizeof text, "%s%d ", worker_of(self)->letter, (int)result);
    note(text);
    return result == WEFT_ECLOSED ? 0 : (int)result;
}

/* Doubles what comes and passes it on, until nothing comes any more. */
static int doubled(weft_stackless *self, int64_t result);

static int receive(weft_stackless *self, int64_t result)
{
    struct worker *worker = worker_of(self);
    return result < 0 ? stop(self, result)
                      : weft_then_receive(self, worker->in, &worker->item, doubled);
}

static int doubled(weft_stackless *self, int64_t result)
{
    struct worker *worker = worker_of(self);
    if (result < 0)
        return stop(self, result);
    worker->item *= 2;
    return weft_then_send(self, worker->out, &worker->item, receive);
}

static const weft_stackless_kind doubler = WEFT_STACKLESS(receive, NULL);

static int channel_main(void *arg)
{
    (void)arg;
    weft_channel in, out;
    weft_scope s;
    assert_int_equal(weft_channel_init(&in, sizeof(int), 0), 0);
    assert_int_equal(weft_channel_init(&out, sizeof(int), 2), 0);
    struct worker worker = { .letter = "w", .in = &in, .out = &out };
    weft_scope_begin(&s);
    assert_int_equal(weft_stackless_spawn(&s, &worker.self, &doubler), 0);
    for (int i = 1, item; i <= 1000; i++) {
        assert_int_equal(weft_channel_send(&in, &i), 0);
        assert_int_equal(weft_channel_receive(&out, &item), 0);
        assert_int_equal(item, 2 * i);
    }
    weft_channel_close(&in);
    int err = weft_scope_end(&s);
    weft_channel_fini(&in);
    weft_channel_fini(&out);
    return err;
}

static void test_then_items_pass_between_tasks_and_stackless_ones(void **state)
{
    (void)state;
    assert_int_equal(run(channel_main, NULL), 0);
    char expected[40];
    snprintf(expected, sizeof expected, "w%d ", WEFT_ECLOSED);
    assert_string_equal(trace, expected);
}

/* A queue between two stackless tasks. */

static int put(weft_stackless *self, int64_t result)
{
    struct worker *worker = worker_of(self);
    if (result < 0 || worker->item == 5) {
        weft_queue_shutdown(worker->jobs, false);
        return (int)result;
    }
    worker->item++;
    return weft_then_put(self, worker->jobs, &worker->item, put);
}

static int get(weft_stackless *self, int64_t result)
{
    struct worker *worker = worker_of(self);
    char text[40];
    if (result < 0)
        return stop(self, result);
    if (worker->item > 0) {
        snprintf(text, sizeof text, "%d ", worker->item);
        note(text);
        weft_queue_task_done(worker->jobs);
    }
    return weft_then_get(self, worker->jobs, &worker->item, get);
}

static const weft_stackless_kind putter = WEFT_STACKLESS(put, NULL);
static const weft_stackless_kind getter = WEFT_STACKLESS(get, NULL);

static int queue_main(void *arg)
{
    (void)arg;
    weft_queue jobs;
    weft_scope s;
    assert_int_equal(weft_queue_init(&jobs, sizeof(int), 1), 0);
    struct worker from = { .letter = "p", .jobs = &jobs }, to = { .letter = "g", .jobs = &jobs };
    weft_scope_begin(&s);
    assert_int_equal(weft_stackless_spawn(&s, &to.self, &getter), 0);
    assert_int_equal(weft_stackless_spawn(&s, &from.self, &putter), 0);
    assert_int_equal(weft_sleep(0), 0);
    assert_int_equal(weft_queue_join(&jobs), 0);
    int err = weft_scope_end(&s);
    weft_queue_fini(&jobs);
    return err;
}

static void test_then_a_queue_is_worked_off_and_shut_down(void **state)
{
    (void)state;
    assert_int_equal(run(queue_main, NULL), 0);
    char expected[60];
    snprintf(expected, sizeof expected, "1 2 3 4 5 g%d ", WEFT_ECLOSED);
    assert_string_equal(trace, expected);
}

/* Events and semaphores. */

static int wait_for_event(weft_stackless *self, int64_t result)
{
    (void)result;
    return weft_then_event(self, worker_of(self)->event, stop);
}

static int want_two(weft_stackless *self, int64_t result)
{
    (void)result;
    return weft_then_acquire(self, worker_of(self)->units, 2, stop);
}

static const weft_stackless_kind listener = WEFT_STACKLESS(wait_for_event, NULL);
static const weft_stackless_kind buyer = WEFT_STACKLESS(want_two, NULL);

static int want_one(void *units)
{
    int err = weft_semaphore_acquire(units, 1);
    note("t");
    return err;
}

static int objects_main(void *arg)
{
    (void)arg;
    weft_event event;
    weft_semaphore units;
    weft_scope s;
    weft_event_init(&event);
    assert_int_equal(weft_semaphore_init(&units, 1), 0);
    struct worker a = { .letter = "e", .event = &event }, b = { .letter = "s", .units = &units };
    weft_scope_begin(&s);
    assert_int_equal(weft_stackless_spawn(&s, &a.self, &listener), 0);
    assert_int_equal(weft_stackless_spawn(&s, &b.self, &buyer), 0);
    assert_int_equal(weft_spawn(&s, want_one, &units), 0); /* behind it in the line */
    weft_sleep(SECOND);
    assert_string_equal(trace, "");
    weft_semaphore_release(&units, 1);
    weft_sleep(SECOND);
    assert_string_equal(trace, "s0 ");
    weft_semaphore_release(&units, 1);
    weft_event_set(&event);
    int err = weft_scope_end(&s);
    weft_semaphore_fini(&units);
    weft_event_fini(&event);
    return err;
}

static void test_then_one_line_serves_tasks_and_stackless_ones(void **state)
{
    (void)state;
    assert_int_equal(run(objects_main, NULL), 0);
    assert_string_equal(trace, "s0 te0 ");
}

/* Cancelled, they leave their lines as they were. */

static int cancel_main(void *arg)
{
    (void)arg;
    weft_event event;
    weft_semaphore units;
    weft_channel channel;
    weft_scope s;
    weft_event_init(&event);
    assert_int_equal(weft_semaphore_init(&units, 1), 0);
    assert_int_equal(weft_channel_init(&channel, sizeof(int), 0), 0);
    struct worker a = { .letter = "e", .event = &event }, b = { .letter = "s", .units = &units },
                  c = { .letter = "c", .in = &channel };
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &a.self, &listener);
    weft_stackless_spawn(&s, &b.self, &buyer);
    weft_stackless_spawn(&s, &c.self, &doubler);
    weft_sleep(SECOND);
    weft_scope_cancel(&s, "enough");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(weft_semaphore_try_acquire(&units, 1), 0);
    int item = 1;
    assert_int_equal(weft_channel_try_send(&channel, &item), -EAGAIN);
    weft_event_fini(&event);
    weft_semaphore_fini(&units);
    weft_channel_fini(&channel);
    return 0;
}

static void test_then_a_cancel_leaves_the_line(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
    char expected[60];
    snprintf(expected, sizeof expected, "e%d s%d c%d ", -ECANCELED, -ECANCELED, -ECANCELED);
    assert_string_equal(trace, expected);
}

/* Items of other loops: in one line with a task that selects. */

static weft_mailbox *box;

static int take_item(weft_stackless *self, int64_t result)
{
    char text[40];
    if (result < 0)
        return stop(self, result);
    snprintf(text, sizeof text, "%s%d ", worker_of(self)->letter, worker_of(self)->item);
    note(text);
    return weft_then_mailbox(self, box, &worker_of(self)->item, take_item);
}

static int want_item(weft_stackless *self, int64_t result)
{
    (void)result;
    return weft_then_mailbox(self, box, &worker_of(self)->item, take_item);
}

static const weft_stackless_kind reader = WEFT_STACKLESS(want_item, NULL);

static int select_item(void *arg)
{
    int item = 0;
    char text[40];
    (void)arg;
    weft_case cases[] = { weft_case_after(WEFT_HOUR), weft_case_mailbox(box, &item) };
    assert_int_equal(weft_select(cases, 2), 1);
    snprintf(text, sizeof text, "t%d,%d ", item, (int)cases[1].result);
    note(text);
    return 0;
}

static int mailbox_main(void *arg)
{
    (void)arg;
    weft_scope s;
    struct worker worker = { .letter = "w" };
    int items[] = { 1, 2, 3 }, none;
    assert_int_equal(weft_mailbox_new(&box, sizeof(int), 4), 0);
    weft_case late[] = { weft_case_mailbox(box, &none), weft_case_after(SECOND) };
    assert_int_equal(weft_select(late, 2), 1);
    weft_scope_begin(&s);
    weft_stackless_spawn(&s, &worker.self, &reader);
    weft_spawn(&s, select_item, NULL);
    weft_sleep(SECOND);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weft_mailbox_try_send(box, &items[i]), 0);
    weft_sleep(SECOND);
    weft_mailbox_close(box);
    int err = weft_scope_end(&s);
    weft_case closed[] = { weft_case_mailbox(box, &none) };
    assert_int_equal(weft_select(closed, 1), 0);
    assert_int_equal(closed[0].result, WEFT_ECLOSED);
    weft_mailbox_release(box);
    return err;
}

static void test_then_a_mailbox_serves_who_waits_for_other_things_too(void **state)
{
    (void)state;
    assert_int_equal(run(mailbox_main, NULL), 0);
    char expected[60];
    snprintf(expected, sizeof expected, "w1 w3 t2,0 w%d ", WEFT_ECLOSED);
    assert_string_equal(trace, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_then_items_pass_between_tasks_and_stackless_ones),
        core_test(test_then_a_queue_is_worked_off_and_shut_down),
        core_test(test_then_one_line_serves_tasks_and_stackless_ones),
        core_test(test_then_a_cancel_leaves_the_line),
        core_test(test_then_a_mailbox_serves_who_waits_for_other_things_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
