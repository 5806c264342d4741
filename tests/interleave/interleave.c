#include "interleave.h"

#include "context/context.h"
#include "core/waiter.h"
#include "io/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#if WF_ASAN
#    include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE  (256 << 10)
#define PREEMPTIONS 2
#define PATH_MAX    10000
#define FDS         1024

struct thread {
    struct wf_context context;
    char *stack;
    void (*body)(void);
    bool done;
    bool (*ready)(void *arg); /* NULL: it could go on */
    void *arg;
    struct weft_loop *loop; /* wf_running */
};

struct choice {
    unsigned char chosen, count;
};

static struct wf_context engine;
static struct thread threads[IL_THREADS_MAX];
static int current = -1; /* -1: the engine */

static struct {
    const struct il_program *program;
    struct choice path[PATH_MAX];
    size_t length; /* of the path that is to be followed, and then of the one that was */
    size_t depth;
    int preemptions;
    bool failed;
    char trace[4096]; /* who went on at each point */
    size_t traced;
} now;

static bool rung[FDS];

void il_failed(const char *file, int line, const char *what)
{
    if (!now.failed)
        printf("%s: %s:%d: %s\n  order of threads: %.*s\n", now.program->name, file, line, what,
               (int)now.traced, now.trace);
    now.failed = true;
    if (current < 0)
        return;
    struct thread *self = &threads[current];
    current = -1;
    wf_context_switch(&self->context, &engine); /* for good */
}

/* Scheduling. */

static bool is_enabled(const struct thread *thread)
{
    return !thread->done && (!thread->ready || thread->ready(thread->arg));
}

/* Those that may go on, the running one first. */
static int options(int *out)
{
    int count = 0;
    bool runs = current >= 0 && is_enabled(&threads[current]);
    if (runs)
        out[count++] = current;
    if (runs && now.preemptions == PREEMPTIONS)
        return count;
    for (int i = 0; i < now.program->threads; i++)
        if (i != current && is_enabled(&threads[i]))
            out[count++] = i;
    return count;
}

/* The choice that is due, or the first one of a new kind. */
static int choose(int count)
{
    if (count == 1)
        return 0;
    if (now.depth == now.length) {
        if (now.length == PATH_MAX) {
            il_failed(__FILE__, __LINE__, "the run is too long");
            return 0;
        }
        now.path[now.length++] = (struct choice){ 0, (unsigned char)count };
    }
    return now.path[now.depth++].chosen;
}

/* Who goes on; -1: nobody can. */
static int next(void)
{
    int list[IL_THREADS_MAX], count = options(list);
    if (count == 0)
        return -1;
    int who = list[choose(count)];
    now.preemptions += current >= 0 && who != current && is_enabled(&threads[current]);
    if (now.traced < sizeof now.trace)
        now.trace[now.traced++] = (char)('0' + who);
    return who;
}

static void resume(struct wf_context *from, int who)
{
    current = who;
    if (who >= 0)
        wf_running = threads[who].loop;
    wf_context_switch(from, who < 0 ? &engine : &threads[who].context);
}

static void pass(void)
{
    int self = current, who = next();
    threads[self].loop = wf_running;
    if (who != self)
        resume(&threads[self].context, who);
}

void il_point(void)
{
    if (current >= 0)
        pass();
}

void il_wait_until(bool (*ready)(void *arg), void *arg)
{
    struct thread *self = &threads[current];
    self->ready = ready;
    self->arg = arg;
    pass();
    self->ready = NULL;
}

static void run_thread(void *arg)
{
    struct thread *self = arg;
    for (;;) {
        self->body();
        self->done = true;
        pass();
    }
}

static void prepare(const struct il_program *program)
{
    for (int i = 0; i < program->threads; i++) {
        struct thread *thread = &threads[i];
        *thread = (struct thread){ .body = program->thread[i], .stack = malloc(STACK_SIZE) };
        wf_context_init(&thread->context, thread->stack, STACK_SIZE, run_thread, thread);
    }
}

static void forget(const struct il_program *program)
{
    for (int i = 0; i < program->threads; i++) {
        wf_context_fini(&threads[i].context);
        free(threads[i].stack);
    }
}

/* One run; false: it failed. */
static bool run_once(const struct il_program *program)
{
    now.depth = now.traced = 0;
    now.preemptions = 0;
    memset(rung, 0, sizeof rung);
    for (int i = 0; i < program->threads; i++) {
        threads[i].done = false;
        threads[i].ready = NULL;
        threads[i].loop = NULL;
    }
    program->begin();
    int who = next();
    resume(&engine, who);
    current = -1;
    wf_running = NULL;
    for (int i = 0; i < program->threads; i++)
        if (!threads[i].done)
            il_failed(__FILE__, __LINE__, "a wake-up was lost: nobody can go on");
    if (!now.failed)
        program->end();
    return !now.failed;
}

/* The next list of choices; false: all were tried. */
static bool advance(void)
{
    while (now.length > 0 && now.path[now.length - 1].chosen + 1 == now.path[now.length - 1].count)
        now.length--;
    if (now.length == 0)
        return false;
    now.path[now.length - 1].chosen++;
    return true;
}

static long explore(const struct il_program *program)
{
    long runs = 1;
    now.program = program;
    now.length = 0;
    now.failed = false;
    prepare(program);
    for (; run_once(program) && advance(); runs++)
        ;
    if (!now.failed)
        forget(program);
    return runs;
}

void il_runs(int thread, struct weft_loop *loop)
{
    threads[thread].loop = loop;
}

/* What the sources ask of the kernel. */

ssize_t il_write(int fd, const void *data, size_t size);
void il_yield(void);
void il_gate_init(struct wf_gate *gate);
void il_gate_fini(struct wf_gate *gate);
void il_gate_pass(struct wf_gate *gate);
bool il_gate_wait(struct wf_gate *gate, unsigned count, int64_t timeout);

ssize_t il_write(int fd, const void *data, size_t size)
{
    (void)data;
    il_point();
    rung[fd] = true;
    return (ssize_t)size;
}

static bool is_rung(void *arg)
{
    return *(bool *)arg;
}

void il_sleep_on(int fd)
{
    il_wait_until(is_rung, &rung[fd]);
    rung[fd] = false;
}

void il_yield(void)
{
    il_point();
}

void il_gate_init(struct wf_gate *gate)
{
    gate->count = 0;
}

void il_gate_fini(struct wf_gate *gate)
{
    (void)gate;
}

void il_gate_pass(struct wf_gate *gate)
{
    il_point();
    gate->count++;
}

struct crowd {
    const struct wf_gate *gate;
    unsigned count;
};

static bool has_passed(void *arg)
{
    const struct crowd *crowd = arg;
    return crowd->gate->count >= crowd->count;
}

/* Any limit but none is over at once. */
bool il_gate_wait(struct wf_gate *gate, unsigned count, int64_t timeout)
{
    struct crowd crowd = { gate, count };
    il_point();
    if (timeout == INT64_MAX)
        il_wait_until(has_passed, &crowd);
    return has_passed(&crowd);
}

#if WF_ASAN
/* What ASan finds in a mutant has been found. */
static void found_by_asan(void)
{
    fflush(stdout);
    _Exit(0);
}
#endif

int il_main(int argc, char **argv, const struct il_program *programs, size_t count)
{
    bool mutant = argc > 1 && strcmp(argv[1], "mutant") == 0;
    long runs = 0;
    wf_context_main(&engine);
#if WF_ASAN
    if (mutant)
        __sanitizer_set_death_callback(found_by_asan);
#endif
    for (size_t i = 0; i < count; i++) {
        runs += explore(&programs[i]);
        if (now.failed)
            break;
    }
    if (mutant && !now.failed)
        printf("the mutant was not found in %ld runs\n", runs);
    else if (!now.failed)
        printf("covered: programs %zu, runs %ld\n", count, runs);
    fflush(stdout);
    _Exit(mutant == now.failed ? 0 : 1); /* threads that failed are left where they are */
}
