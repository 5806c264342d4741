#include "floor/task_floor.h"

#include "base/list.h"
#include "bench.h"

#include "context/context.h"
#include "context/stack.h"
#include <weft/define.h>

#include <string.h>
#include <sys/mman.h>

#define CONTEXTS_MAX 10000

static struct wf_context home;
static struct wf_stack_pool pool;
static char *stacks; /* of a ring: without guards, whose number is limited */

void task_floor_init(void)
{
    wf_stack_pool_init(&pool, 0);
    wf_context_main(&home);
    stacks = mmap(NULL, CONTEXTS_MAX * WF_STACK_MEDIUM, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stacks == MAP_FAILED)
        abort();
}

/* A life. */

static void end_at_once(void *arg)
{
    wf_context_switch_final(arg, &home);
}

double task_floor_life_ns(void *count)
{
    long n = *(long *)count;
    struct wf_stack stack;
    struct wf_context context;
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        if (wf_stack_get(&pool, WF_STACK_MEDIUM, &stack) != 0)
            abort();
        wf_context_init(&context, stack.low, stack.size, end_at_once, &context);
        wf_context_switch(&home, &context);
        wf_context_fini(&context);
        wf_stack_put(&pool, &stack);
    }
    return (bench_now_ns() - start) / (double)n;
}

/* A ring: home and the others, each of which knows the next one. */

struct member {
    struct wf_context context;
    struct wf_context *next;
};

static struct member members[CONTEXTS_MAX];

static void pass_on(void *arg)
{
    struct member *member = arg;
    for (;;)
        wf_context_switch(&member->context, member->next);
}

/* Coloured like the library's, so that the hot ends do not share a few cache sets. */
static void make_member(int i, void (*entry)(void *arg), struct wf_context *next)
{
    struct member *member = &members[i];
    char *low = stacks + (size_t)i * WF_STACK_MEDIUM;
    wf_context_init(&member->context, low, WF_STACK_MEDIUM - (size_t)(i % 32) * 64, entry, member);
    member->next = next;
}

static void make_ring(int others)
{
    for (int i = 0; i < others; i++)
        make_member(i, pass_on, i + 1 < others ? &members[i + 1].context : &home);
}

static WF_NOINLINE void call_in_place(void)
{
    __asm__ volatile("" ::: "memory");
}

static void turn(int others)
{
    if (others == 0)
        call_in_place();
    else
        wf_context_switch(&home, &members[0].context);
}

double task_floor_ring_ns(void *arg)
{
    const struct task_floor_ring *ring = arg;
    int others = ring->contexts - 1;
    make_ring(others);
    turn(others);
    double start = bench_now_ns();
    for (long i = 0; i < ring->turns; i++)
        turn(others);
    return (bench_now_ns() - start) / ((double)ring->turns * ring->contexts);
}

/* A question. */

struct answer {
    bool is_done;
    int result;
};

static WF_NOINLINE int ask(const struct answer *answer)
{
    return answer->is_done ? answer->result : -1;
}

double task_floor_done_ns(void *count)
{
    long n = *(long *)count;
    struct answer answer = { true, 7 };
    double start = bench_now_ns();
    for (long i = 0; i < n; i++)
        bench_keep((uint64_t)ask(&answer));
    return (bench_now_ns() - start) / (double)n;
}

/* A queue of calls. */

#define QUEUE 128
#define BATCH 100

struct call {
    void (*fn)(void *arg);
    void *arg;
};

static struct call queue[QUEUE];
static unsigned put, taken;

static WF_NOINLINE void push(void (*fn)(void *arg), void *arg)
{
    queue[put++ % QUEUE] = (struct call){ fn, arg };
}

static void add_one(void *arg)
{
    ++*(long *)arg;
}

double task_floor_queue_ns(void *count)
{
    long n = *(long *)count, sum = 0;
    double start = bench_now_ns();
    for (long i = 0; i < n; i += BATCH) {
        for (int k = 0; k < BATCH; k++)
            push(add_one, &sum);
        while (taken != put) {
            struct call *call = &queue[taken++ % QUEUE];
            call->fn(call->arg);
        }
    }
    bench_keep((uint64_t)sum);
    return (bench_now_ns() - start) / (double)n;
}

/* A timer. */

#define SLOTS 64

struct timer {
    struct wf_list link;
    int64_t deadline;
};

static struct wf_list wheel[SLOTS];

static WF_NOINLINE void add(struct timer *timer, int64_t deadline)
{
    timer->deadline = deadline;
    wf_list_push_back(&wheel[(uint64_t)deadline >> 20 & (SLOTS - 1)], &timer->link);
}

static WF_NOINLINE void remove_timer(struct timer *timer)
{
    wf_list_remove(&timer->link);
}

static double run_timer(long n, bool from_now)
{
    struct timer timer;
    for (int i = 0; i < SLOTS; i++)
        wf_list_init(&wheel[i]);
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        add(&timer, from_now ? (int64_t)bench_now_ns() + WEFT_SECOND : WEFT_SECOND);
        remove_timer(&timer);
    }
    return (bench_now_ns() - start) / (double)n;
}

double task_floor_timer_ns(void *count)
{
    return run_timer(*(long *)count, false);
}

double task_floor_timer_from_now_ns(void *count)
{
    return run_timer(*(long *)count, true);
}

/* A record. */

struct record {
    struct record *outer;
    int64_t deadline;
    int error;
};

static struct record *innermost;

static WF_NOINLINE void begin(struct record *record)
{
    *record = (struct record){ .outer = innermost };
    innermost = record;
}

static WF_NOINLINE int end(struct record *record)
{
    innermost = record->outer;
    return record->error;
}

double task_floor_record_ns(void *count)
{
    long n = *(long *)count;
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        struct record record;
        begin(&record);
        bench_keep((uint64_t)end(&record));
    }
    return (bench_now_ns() - start) / (double)n;
}

/* Ping-pong: `there` and `back` are the two directions' bytes under way. */

static char there[64], back[64];

static void answer_for_ever(void *arg)
{
    struct member *self = arg;
    char mine[64];
    for (;;) {
        memcpy(mine, there, sizeof mine);
        __asm__ volatile("" ::"r"(mine) : "memory");
        memcpy(back, mine, sizeof mine);
        wf_context_switch(&self->context, self->next);
    }
}

double task_floor_ping_pong_ns(void *count)
{
    long n = *(long *)count;
    char mine[64] = "ping";
    make_member(0, answer_for_ever, &home);
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        memcpy(there, mine, sizeof mine);
        wf_context_switch(&home, &members[0].context);
        memcpy(mine, back, sizeof mine);
        __asm__ volatile("" ::"r"(mine) : "memory");
    }
    return (bench_now_ns() - start) / (double)n;
}

/* A value at a time. */

static uint64_t value;

static void count_for_ever(void *arg)
{
    struct member *self = arg;
    for (uint64_t i = 0;; i++) {
        value = i;
        wf_context_switch(&self->context, self->next);
    }
}

double task_floor_value_ns(void *count)
{
    long n = *(long *)count;
    make_member(0, count_for_ever, &home);
    double start = bench_now_ns();
    for (long i = 0; i < n; i++) {
        wf_context_switch(&home, &members[0].context);
        bench_keep(value);
    }
    return (bench_now_ns() - start) / (double)n;
}
