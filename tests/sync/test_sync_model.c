/* All primitives against one plain model, which says who is served, with what, and when.
 *
 *     director ── a command ──> worker ── lock, wait, acquire, send, get, select … ──> result
 *        └── in between: try, release, set, notify, close, cancel, let a millisecond pass
 *
 * After each step everybody who is ready runs, and then each worker must wait where the model has
 * it wait, or have come back with the result that the model foretold: so no wake-up is lost, no
 * item is lost or doubled, and nobody is overtaken. WEFT_SEED repeats a run. */

#include "sync/sync_test.h"

#include "base/model.h"

#include <weft/condition.h>
#include <weft/event.h>
#include <weft/future.h>
#include <weft/mutex.h>
#include <weft/select.h>

#define WORKERS 8
#define CASES   5
#define ROOM    4096

/* Objects. Passages: three channels, three queues. */
enum { MUTEX, EVENT, SEMAPHORE, CONDITION, PASSAGES, OBJECTS = PASSAGES + 6 };

static weft_mutex mutex;
static weft_event event;
static weft_semaphore semaphore;
static weft_condition condition;
static weft_channel channels[3];
static weft_queue queues[3];
static const size_t capacities[6] = { 0, 2, WEFT_UNBOUNDED, 1, 2, 3 };

/* What a worker wants: of a passage to take or to give. */
struct want {
    int object, item;
    bool takes;
    size_t need;
};

struct line {
    struct seat {
        int worker, index;
    } seats[WORKERS * CASES];
    int count;
};

enum state { IDLE, WAITING, SERVED };

struct worker {
    /* The model's. */
    struct want wants[CASES];
    int count, index;
    int64_t result;
    int64_t due; /* ms; 0: never */
    uint64_t came;
    int got;
    enum state state;
    bool retakes; /* was cancelled at the condition: takes the mutex when it runs */
    /* The real one's. */
    weft_future *command;
    weft_scope scope;
    bool is_back, quits;
    ssize_t real_index;
    int64_t real_result;
    int real_item;
    int items[CASES];
};

static struct worker workers[WORKERS];

static struct {
    int holder; /* of the mutex; -1 */
    bool set;
    size_t value;
    struct line lines[OBJECTS][2]; /* of passages: givers, takers */
    struct {
        int items[ROOM];
        size_t count;
        bool closed;
    } passages[6];
    int retaking[WORKERS], retaking_count;
    int64_t now;
    int next_item;
    size_t dropped;
    uint64_t came;
} model;

static size_t dropped;
static struct dice dice;
static unsigned long ends[3]; /* of waits: served, told an error, cancelled */

/* The model. */

static int priority_of(int item)
{
    return item % 4;
}

static void join(struct line *line, int worker, int index)
{
    line->seats[line->count++] = (struct seat){ worker, index };
}

static void remove_at(struct line *line, int at)
{
    memmove(&line->seats[at], &line->seats[at + 1],
            (size_t)(--line->count - at) * sizeof line->seats[0]);
}

static void serve_semaphore(void);

static void leave_all(int worker)
{
    for (int object = 0; object < OBJECTS; object++)
        for (int side = 0; side < 2; side++)
            for (int i = model.lines[object][side].count; i-- > 0;)
                if (model.lines[object][side].seats[i].worker == worker)
                    remove_at(&model.lines[object][side], i);
}

static void finish(int worker, int index, int64_t result)
{
    workers[worker].state = SERVED;
    workers[worker].index = index;
    workers[worker].result = result;
    leave_all(worker);
    serve_semaphore();
}

static void serve_semaphore(void)
{
    struct line *line = &model.lines[SEMAPHORE][0];
    while (line->count > 0) {
        struct seat seat = line->seats[0];
        size_t need = workers[seat.worker].wants[seat.index].need;
        if (need > model.value)
            return;
        model.value -= need;
        finish(seat.worker, seat.index, 0);
    }
}

static void pass_mutex(void)
{
    struct line *line = &model.lines[MUTEX][0];
    model.holder = -1;
    if (line->count == 0)
        return;
    struct seat seat = line->seats[0];
    model.holder = seat.worker;
    if (workers[seat.worker].retakes) /* its result is known already */
        leave_all(seat.worker);
    else
        finish(seat.worker, seat.index, 0);
    if (workers[seat.worker].retakes)
        workers[seat.worker].state = SERVED;
    workers[seat.worker].retakes = false;
}

static void give_mutex(int worker, int index)
{
    join(&model.lines[MUTEX][0], worker, index);
    if (model.holder < 0)
        pass_mutex();
}

static void put_in(int p, int item)
{
    model.passages[p].items[model.passages[p].count++] = item;
}

static int pull_out(int p)
{
    size_t count = model.passages[p].count, at = 0;
    int *items = model.passages[p].items;
    if (p == 4)
        at = count - 1;
    if (p == 5)
        for (size_t i = 1; i < count; i++)
            if (priority_of(items[i]) < priority_of(items[at]))
                at = i;
    int item = items[at];
    memmove(&items[at], &items[at + 1], (count - at - 1) * sizeof *items);
    model.passages[p].count--;
    return item;
}

/* -EAGAIN: it has to wait. */
static int64_t give(int p, int item)
{
    struct line *takers = &model.lines[PASSAGES + p][1];
    if (model.passages[p].closed)
        return WEFT_ECLOSED;
    if (takers->count > 0) {
        struct seat seat = takers->seats[0];
        workers[seat.worker].got = item;
        finish(seat.worker, seat.index, 0);
        return 0;
    }
    if (capacities[p] != WEFT_UNBOUNDED && model.passages[p].count >= capacities[p])
        return -EAGAIN;
    put_in(p, item);
    return 0;
}

static int64_t take(int p, int *item)
{
    struct line *givers = &model.lines[PASSAGES + p][0];
    bool had = model.passages[p].count > 0;
    if (had)
        *item = pull_out(p);
    if (givers->count > 0) {
        struct seat seat = givers->seats[0];
        int theirs = workers[seat.worker].wants[seat.index].item;
        if (had)
            put_in(p, theirs);
        else
            *item = theirs;
        finish(seat.worker, seat.index, 0);
        return 0;
    }
    return had ? 0 : model.passages[p].closed ? WEFT_ECLOSED : -EAGAIN;
}

static int64_t try_want(int worker, const struct want *want)
{
    switch (want->object) {
    case EVENT:
        return model.set ? 0 : -EAGAIN;
    case SEMAPHORE:
        if (model.lines[SEMAPHORE][0].count > 0 || model.value < want->need)
            return -EAGAIN;
        model.value -= want->need;
        return 0;
    case MUTEX:
        if (model.holder >= 0)
            return -EAGAIN;
        model.holder = worker;
        return 0;
    case CONDITION:
        return -EAGAIN;
    default:
        return want->takes ? take(want->object - PASSAGES, &workers[worker].got)
                           : give(want->object - PASSAGES, want->item);
    }
}

static void model_begin(int worker)
{
    struct worker *w = &workers[worker];
    w->state = WAITING;
    w->retakes = false;
    w->got = 0;
    w->came = ++model.came;
    for (int i = 0; i < w->count; i++) {
        int64_t result = try_want(worker, &w->wants[i]);
        if (result == -EAGAIN)
            continue;
        w->state = SERVED;
        w->index = i;
        w->result = result;
        return;
    }
    for (int i = 0; i < w->count; i++)
        join(&model.lines[w->wants[i].object][w->wants[i].object >= PASSAGES && w->wants[i].takes],
             worker, i);
    if (w->wants[0].object == CONDITION)
        pass_mutex();
}

static void model_cancel(int worker)
{
    struct worker *w = &workers[worker];
    if (w->state != WAITING || w->retakes)
        return;
    bool at_condition = w->wants[0].object == CONDITION;
    /* Told already: it stands in the mutex's line, out of reach. */
    for (int i = 0; at_condition && i < model.lines[MUTEX][0].count; i++)
        if (model.lines[MUTEX][0].seats[i].worker == worker)
            return;
    finish(worker, -1, -ECANCELED);
    if (!at_condition)
        return;
    w->state = WAITING;
    w->retakes = true;
    model.retaking[model.retaking_count++] = worker;
}

/* Everybody who is ready runs. */
static void model_run(void)
{
    for (int i = 0; i < model.retaking_count; i++)
        give_mutex(model.retaking[i], -1);
    model.retaking_count = 0;
}

static void model_close(int p)
{
    model.passages[p].closed = true;
    for (int side = 0; side < 2; side++)
        while (model.lines[PASSAGES + p][side].count > 0) {
            struct seat seat = model.lines[PASSAGES + p][side].seats[0];
            finish(seat.worker, seat.index, WEFT_ECLOSED);
        }
}

/* Real workers. */

static void drop_item(void *item)
{
    (void)item;
    dropped++;
}

static int by_priority(const void *a, const void *b)
{
    return priority_of(*(const int *)a) - priority_of(*(const int *)b);
}

static weft_case case_of(struct worker *w, int i)
{
    const struct want *want = &w->wants[i];
    int p = want->object - PASSAGES;
    w->items[i] = want->takes ? 0 : want->item;
    if (want->object == EVENT)
        return weft_case_event(&event);
    if (want->object == SEMAPHORE)
        return weft_case_acquire(&semaphore, want->need);
    if (p < 3)
        return want->takes ? weft_case_receive(&channels[p], &w->items[i])
                           : weft_case_send(&channels[p], &w->items[i]);
    return want->takes ? weft_case_get(&queues[p - 3], &w->items[i])
                       : weft_case_put(&queues[p - 3], &w->items[i]);
}

static int64_t do_one(struct worker *w)
{
    const struct want *want = &w->wants[0];
    int p = want->object - PASSAGES, *item = &w->items[0];
    *item = want->takes ? 0 : want->item;
    switch (want->object) {
    case MUTEX:
        return weft_mutex_lock(&mutex);
    case EVENT:
        return weft_event_wait(&event);
    case SEMAPHORE:
        return weft_semaphore_acquire(&semaphore, want->need);
    case CONDITION:
        return weft_condition_wait(&condition, &mutex);
    default:
        if (p < 3)
            return want->takes ? weft_channel_receive(&channels[p], item)
                               : weft_channel_send(&channels[p], item);
        return want->takes ? weft_queue_get(&queues[p - 3], item)
                           : weft_queue_put(&queues[p - 3], item);
    }
}

static void obey(struct worker *w)
{
    weft_case cases[CASES];
    if (w->count == 1) {
        w->real_result = do_one(w);
        w->real_index = w->real_result == -ECANCELED ? -1 : 0;
    } else {
        for (int i = 0; i < w->count; i++)
            cases[i] = case_of(w, i);
        ssize_t index = weft_select(cases, (size_t)w->count, .in_order = true);
        w->real_index = index < 0 ? -1 : index;
        w->real_result = index < 0 ? index : cases[index].result;
    }
    w->real_item = w->real_index < 0 ? 0 : w->items[w->real_index];
}

static int serve_commands(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        assert_int_equal(weft_await(w->command), 0);
        weft_future_release(w->command);
        w->command = weft_future_new();
        if (w->quits)
            return 0;
        if (w->count == 0) {
            assert_int_equal(weft_mutex_unlock(&mutex), 0);
            continue;
        }
        weft_scope_begin(&w->scope, .deadline = w->due ? w->due * MILLISECOND : 0);
        obey(w);
        weft_scope_end(&w->scope);
        w->is_back = true;
    }
}

/* The director. */

static void let_run(void)
{
    for (int i = 0; i < 3; i++)
        weft_sleep(0);
    model_run();
    /* Who takes the mutex again may have been given it, and runs once more. */
    weft_sleep(0);
}

static void compare(void)
{
    weft_mutex_stats at_mutex;
    weft_semaphore_stats at_semaphore;
    weft_line_stats at_condition;
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        assert_int_equal(w->is_back, w->state == SERVED);
        if (w->state != SERVED)
            continue;
        assert_int_equal(w->real_index, w->index);
        assert_int_equal(w->real_result, w->result);
        if (w->index >= 0 && w->result == 0 && w->wants[w->index].takes)
            assert_int_equal(w->real_item, w->got);
        ends[w->index < 0 ? 2 : w->result < 0]++;
        w->state = IDLE;
        w->is_back = false;
    }
    weft_mutex_get_stats(&mutex, &at_mutex);
    assert_int_equal(at_mutex.holder, model.holder < 0 ? 0 : model.holder + 2);
    assert_int_equal(at_mutex.line.waiting, model.lines[MUTEX][0].count);
    weft_semaphore_get_stats(&semaphore, &at_semaphore);
    assert_int_equal(at_semaphore.value, model.value);
    assert_int_equal(at_semaphore.line.waiting, model.lines[SEMAPHORE][0].count);
    weft_condition_get_stats(&condition, &at_condition);
    assert_int_equal(at_condition.waiting, model.lines[CONDITION][0].count);
    for (int p = 0; p < 6; p++)
        assert_int_equal(p < 3 ? weft_channel_count(&channels[p])
                               : weft_queue_count(&queues[p - 3]),
                         model.passages[p].count);
    assert_int_equal(dropped, model.dropped);
}

static struct want any_want(bool for_select)
{
    struct want want = { .item = ++model.next_item,
                         .takes = dice_below(&dice, 2),
                         .need = dice_below(&dice, 6) };
    want.object = (int)dice_below(&dice, OBJECTS);
    while (for_select && (want.object == MUTEX || want.object == CONDITION))
        want.object = (int)dice_below(&dice, OBJECTS);
    if (want.object < PASSAGES)
        want.takes = false;
    return want;
}

static void command(int worker)
{
    struct worker *w = &workers[worker];
    w->count = 1;
    if (dice_below(&dice, 3) == 0)
        w->count = 2 + (int)dice_below(&dice, CASES - 1);
    for (int i = 0; i < w->count; i++)
        w->wants[i] = any_want(w->count > 1);
    w->due = dice_below(&dice, 4) == 0 ? model.now + 1 + (int64_t)dice_below(&dice, 3) : 0;
    if (w->count == 1 && w->wants[0].object == MUTEX && model.holder == worker)
        w->count = 0; /* it holds it: let it go */
    if (w->count == 1 && w->wants[0].object == CONDITION && model.holder != worker)
        return;
    if (w->count > 0)
        model_begin(worker);
    else
        pass_mutex();
    weft_future_set(w->command, NULL);
    let_run();
}

static void reopen(int p)
{
    if (model.lines[PASSAGES + p][0].count + model.lines[PASSAGES + p][1].count > 0)
        return;
    if (p < 3) {
        weft_channel_fini(&channels[p]);
        assert_int_equal(
            weft_channel_init(&channels[p], sizeof(int), capacities[p], .drop = drop_item), 0);
    } else {
        weft_queue_fini(&queues[p - 3]);
        assert_int_equal(weft_queue_init(&queues[p - 3], sizeof(int), capacities[p],
                                         .order = (uint8_t)(p - 3), .compare = by_priority,
                                         .drop = drop_item),
                         0);
    }
    model.dropped += model.passages[p].count;
    model.passages[p].count = 0;
    model.passages[p].closed = false;
}

static void close_one(int p)
{
    bool immediate = p >= 3 && dice_below(&dice, 2);
    if (p < 3)
        weft_channel_close(&channels[p]);
    else
        weft_queue_shutdown(&queues[p - 3], immediate);
    model_close(p);
    if (immediate) {
        model.dropped += model.passages[p].count;
        model.passages[p].count = 0;
    }
}

static void try_one(int p)
{
    int item = 0, expected = 0;
    if (dice_below(&dice, 2)) {
        int64_t result = take(p, &expected);
        assert_int_equal(p < 3 ? weft_channel_try_receive(&channels[p], &item)
                               : weft_queue_try_get(&queues[p - 3], &item),
                         result);
        assert_int_equal(item, expected);
    } else {
        item = ++model.next_item;
        int64_t result = give(p, item);
        assert_int_equal(p < 3 ? weft_channel_try_send(&channels[p], &item)
                               : weft_queue_try_put(&queues[p - 3], &item),
                         result);
    }
}

static void notify(void)
{
    size_t count = 1 + dice_below(&dice, 3), told = 0;
    struct line *line = &model.lines[CONDITION][0];
    for (; told < count && line->count > 0; told++) {
        struct seat seat = line->seats[0];
        remove_at(line, 0);
        give_mutex(seat.worker, seat.index);
    }
    assert_int_equal(weft_condition_notify(&condition, count), told);
}

/* So that there are seldom enough. */
static void give_or_take_units(size_t count)
{
    bool waits = model.lines[SEMAPHORE][0].count > 0;
    if (model.value < 3) {
        assert_int_equal(weft_semaphore_release(&semaphore, count), 0);
        model.value += count;
        serve_semaphore();
        return;
    }
    assert_int_equal(weft_semaphore_try_acquire(&semaphore, model.value), waits ? -EAGAIN : 0);
    if (!waits)
        model.value = 0;
}

/* What the director does by itself. */
static void meddle(void)
{
    int p = (int)dice_below(&dice, 6), worker = (int)dice_below(&dice, WORKERS);
    size_t count = dice_below(&dice, 4);
    switch (dice_below(&dice, 9)) {
    case 0:
        give_or_take_units(count);
        break;
    case 1:
        weft_event_set(&event);
        model.set = true;
        while (model.lines[EVENT][0].count > 0)
            finish(model.lines[EVENT][0].seats[0].worker, model.lines[EVENT][0].seats[0].index, 0);
        break;
    case 2:
        weft_event_clear(&event);
        model.set = false;
        break;
    case 3:
        notify();
        break;
    case 4:
        if (dice_below(&dice, 4) == 0)
            close_one(p);
        break;
    case 5:
        if (model.passages[p].closed || model.passages[p].count > 100)
            reopen(p);
        break;
    case 6:
        if (workers[worker].state == WAITING) {
            model_cancel(worker);
            weft_scope_cancel(&workers[worker].scope, NULL);
        }
        break;
    default:
        try_one(p);
    }
}

/* Deadlines fire in their order, equal ones in the order of their setting. */
static void pass_time(void)
{
    model.now++;
    for (;;) {
        int first = -1;
        for (int i = 0; i < WORKERS; i++)
            if (workers[i].state == WAITING && workers[i].due == model.now &&
                (first < 0 || workers[i].came < workers[first].came))
                first = i;
        if (first < 0)
            break;
        workers[first].due = 0;
        model_cancel(first);
    }
    weft_sleep_until(model.now * MILLISECOND);
    let_run();
}

static void step(void)
{
    int worker = (int)dice_below(&dice, WORKERS);
    if (dice_below(&dice, 8) == 0) {
        pass_time();
    } else if (workers[worker].state == IDLE && dice_below(&dice, 2)) {
        command(worker);
    } else {
        for (size_t i = 1 + dice_below(&dice, 3); i > 0; i--)
            meddle();
        let_run();
    }
    compare();
}

/* A cancelled wait for the condition takes the mutex again, which somebody has to let go. */
static void end_workers(void)
{
    for (int i = 0; i < WORKERS; i++)
        if (workers[i].state == WAITING) {
            model_cancel(i);
            weft_scope_cancel(&workers[i].scope, NULL);
        }
    let_run();
    while (model.holder >= 0) {
        struct worker *w = &workers[model.holder];
        w->count = 0;
        w->is_back = false;
        pass_mutex();
        weft_future_set(w->command, NULL);
        let_run();
    }
    for (int i = 0; i < WORKERS; i++) {
        workers[i].quits = true;
        weft_future_set(workers[i].command, NULL);
    }
}

static long operations(void)
{
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    return text ? atol(text) : 100000;
}

static int direct(void *arg)
{
    weft_scope s;
    long left = *(long *)arg;
    for (int p = 0; p < 6; p++) {
        memset(p < 3 ? (void *)&channels[p] : (void *)&queues[p - 3], 0,
               p < 3 ? sizeof channels[0] : sizeof queues[0]);
        reopen(p);
    }
    weft_scope_begin(&s, .isolate = true);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].command = weft_future_new();
        weft_spawn(&s, serve_commands, &workers[i]);
    }
    model.now = (weft_now() + MILLISECOND - 1) / MILLISECOND;
    weft_sleep_until(model.now * MILLISECOND);
    while (left-- > 0)
        step();
    end_workers();
    assert_int_equal(weft_scope_end(&s), 0);
    for (int i = 0; i < WORKERS; i++)
        weft_future_release(workers[i].command);
    for (int p = 0; p < 6; p++)
        p < 3 ? weft_channel_fini(&channels[p]) : weft_queue_fini(&queues[p - 3]);
    return 0;
}

static void test_sync_model_foretells_who_is_served(void **state)
{
    (void)state;
    long left = operations();
    dice = dice_seed("sync model");
    model.holder = -1;
    assert_int_equal(run(direct, &left), 0);
    for (int i = 0; i < 3; i++) /* it was no idle run */
        assert_true(ends[i] > (unsigned long)operations() / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_sync_model_foretells_who_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
