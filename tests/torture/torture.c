#include "torture.h"

#include "base/memory.h"
#include "base/random.h"
#include "core/coro.h"
#include "core/loop.h"
#include "io/fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/log.h>

#if WF_ASAN
#    include <sanitizer/common_interface_defs.h>
#    include <sanitizer/lsan_interface.h>
#endif

#define PATIENCE_SECONDS 30 /* for one run */
#define FAR              1000000000L
#define ROUNDS           300 /* random ones, of each scenario */
#define SEEDS            20  /* other orders, likewise */

/* What can go wrong. */

enum source { SUSPENSION, ALLOCATION, STACK, CALL, ORDER, DICE };

struct kind {
    const char *name;
    enum source source;
    void (*act)(weft_loop *loop, struct wf_region *where); /* SUSPENSION */
    bool twice;                                            /* SUSPENSION: at the next one too */
    bool persistent;                                       /* the others */
    enum wf_io_fault_kind call;                            /* CALL */
    int error;                                             /* CALL; 0: short */
};

/* `where`: the innermost region of who suspends, a task or one without a stack. */

static void cancel_task(weft_loop *loop, struct wf_region *where)
{
    struct wf_member *member = wf_region_member(where);
    (void)loop;
    if (wf_member_is_task(member))
        weft_task_cancel(wf_task_of_member(member), "torture");
    else
        wf_region_cancel(&member->region, "torture");
}

/* One without a stack has none: then it is the one that it lives in. */
static void cancel_scope(weft_loop *loop, struct wf_region *where)
{
    if (!wf_member_is_task(wf_region_member(where)) && where->outer != &loop->background.region)
        where = where->outer;
    if (where->kind == WF_REGION_SCOPE)
        weft_scope_cancel((weft_scope *)wf_scope_of_region(where), "torture");
    else
        cancel_task(loop, where);
}

static void cancel_all(weft_loop *loop, struct wf_region *where)
{
    (void)where;
    wf_region_cancel(&loop->background.region, "torture");
}

static void pierce_all(weft_loop *loop, struct wf_region *where)
{
    (void)where;
    wf_region_pierce(&loop->background.region, "torture");
}

static void cancel_main(weft_loop *loop, struct wf_region *where)
{
    if (loop->main)
        weft_task_cancel(loop->main, "torture");
    else
        cancel_task(loop, where);
}

/* One that does not suspend just now: it waits, was woken, or has not begun. Each point has its. */
static void cancel_other(weft_loop *loop, struct wf_region *where)
{
    struct wf_region *region = &loop->background.region;
    unsigned count = 0;
    while (wf_task_next(loop, &region))
        count++;
    uint64_t skip = count > 0 ? loop->counters.resumes % count : 0;
    region = &loop->background.region;
    weft_task *other = wf_task_next(loop, &region);
    for (; skip > 0; skip--)
        other = wf_task_next(loop, &region);
    if (other && &other->member == wf_region_member(where))
        other = wf_task_next(loop, &region);
    if (other)
        weft_task_cancel(other, "torture");
}

#define CALLS(kind_name, which, error_code)                                                        \
    { .name = kind_name, .source = CALL, .call = which, .error = error_code },                     \
    {                                                                                              \
        .name = kind_name "s", .source = CALL, .call = which, .error = error_code,                 \
        .persistent = true                                                                         \
    }

static const struct kind kinds[] = {
    { .name = "cancel", .source = SUSPENSION, .act = cancel_task },
    { .name = "other", .source = SUSPENSION, .act = cancel_other },
    { .name = "main", .source = SUSPENSION, .act = cancel_main },
    { .name = "twice", .source = SUSPENSION, .act = cancel_task, .twice = true },
    { .name = "scope", .source = SUSPENSION, .act = cancel_scope },
    { .name = "all", .source = SUSPENSION, .act = cancel_all },
    { .name = "pierce", .source = SUSPENSION, .act = pierce_all },
    { .name = "alloc", .source = ALLOCATION },
    { .name = "allocs", .source = ALLOCATION, .persistent = true },
    { .name = "stack", .source = STACK },
    { .name = "stacks", .source = STACK, .persistent = true },
    CALLS("accept", WF_FAULT_ACCEPT, EMFILE),
    CALLS("recv", WF_FAULT_RECV, ECONNRESET),
    CALLS("send", WF_FAULT_SEND, EPIPE),
    CALLS("connect", WF_FAULT_CONNECT, ECONNREFUSED),
    CALLS("control", WF_FAULT_CONTROL, ENOMEM),
    { .name = "wait", .source = CALL, .call = WF_FAULT_WAIT, .error = EINTR },
    { .name = "enter", .source = CALL, .call = WF_FAULT_ENTER, .error = EINTR },
    { .name = "enter_busy", .source = CALL, .call = WF_FAULT_ENTER, .error = EBUSY },
    { .name = "enter_later", .source = CALL, .call = WF_FAULT_ENTER, .error = EAGAIN },
    CALLS("open", WF_FAULT_OPEN, EMFILE),
    CALLS("thread", WF_FAULT_THREAD, EAGAIN),
    CALLS("map", WF_FAULT_MAP, ENOMEM),
    CALLS("file_io", WF_FAULT_FILE, EIO),
    CALLS("file_space", WF_FAULT_FILE, ENOSPC),
    CALLS("file_memory", WF_FAULT_FILE, ENOMEM),
    CALLS("file_limit", WF_FAULT_FILE, EMFILE),
    CALLS("short_recv", WF_FAULT_SHORT_RECV, 0),
    CALLS("short_send", WF_FAULT_SHORT_SEND, 0),
    { .name = "shuffle", .source = ORDER },
    { .name = "random", .source = DICE },
};

/* The run that is under way. */

static struct {
    const struct torture_scenario *scenario;
    const struct kind *kind; /* NULL: calm */
    uint64_t point;          /* where it strikes; the seed of DICE */
    struct wf_random dice;
    long suspensions; /* seen so far */
    long struck;      /* cancels that were asked for */
    bool stack_armed;
    bool keeps_time; /* its loops are not put on virtual time */
    struct wf_memory_fault memory;
    struct wf_io_fault call;
    struct wf_stack_fault stack;
    char repeat[160]; /* the line */
} now;

bool torture_is_calm(void)
{
    return !now.kind || now.kind->source == ORDER;
}

/* Whether memory, a stack or a registration with the kernel has been refused. */
static bool was_refused_memory(void)
{
    return now.memory.injected > 0 || (now.call.injected > 0 && now.call.error == ENOMEM) ||
           now.stack_armed;
}

bool torture_excuses(int err)
{
    bool calls = now.call.injected > 0;
    if (torture_is_calm())
        return false;
    if (err == -ENOMEM)
        return was_refused_memory();
    if (err == -ECANCELED)
        return now.struck > 0 || calls || was_refused_memory();
    return calls && err == -now.call.error;
}

void torture_keep_time(void)
{
    now.keeps_time = true;
}

/* What the scenarios print, and where we do. */

static int hushed = -1, to_out = STDOUT_FILENO, to_err = STDERR_FILENO;

void torture_hush(void)
{
    char name[] = "/tmp/weft-torture-XXXXXX";
    hushed = mkstemp(name);
    if (hushed < 0)
        torture_failed(__FILE__, __LINE__, "no file to print to");
    unlink(name);
    to_out = dup(STDOUT_FILENO);
    to_err = dup(STDERR_FILENO);
    dup2(hushed, STDOUT_FILENO);
    dup2(hushed, STDERR_FILENO);
#if WF_ASAN
    __sanitizer_set_report_fd((void *)(intptr_t)to_err); /* an address that is none */
#endif
}

static void forget_hushed(void)
{
    fflush(stdout);
    if (hushed >= 0 && (ftruncate(hushed, 0) < 0 || lseek(hushed, 0, SEEK_SET) < 0))
        torture_failed(__FILE__, __LINE__, "its output cannot be discarded");
}

static void print(int fd, const char *text, size_t size)
{
    ssize_t n = write(fd, text, size);
    (void)n;
}

static void print_hushed(void)
{
    char piece[1024];
    ssize_t n;
    for (off_t at = 0; hushed >= 0 && (n = pread(hushed, piece, sizeof piece, at)) > 0; at += n)
        print(to_err, piece, (size_t)n);
}

static void print_repeat(void)
{
    print_hushed();
    print(to_err, now.repeat, strlen(now.repeat));
}

void torture_failed(const char *file, int line, const char *what)
{
    dprintf(to_err, "%s:%d: torture: %s\n", file, line, what);
    fflush(stdout);
    abort();
}

static void on_alarm(int number)
{
    static const char text[] = "torture: it hangs\n";
    (void)number;
    print(to_err, text, sizeof text - 1);
    abort();
}

/* A wf_panic, a failed assertion and a sanitizer's finding come with the line too. */
static void on_abort(int number)
{
    signal(number, SIG_DFL);
    print_repeat();
}

#if WF_ASAN
const char *__ubsan_default_options(void);

const char *__ubsan_default_options(void)
{
    return "abort_on_error=1";
}
#endif

static void listen_for_death(void)
{
    signal(SIGALRM, on_alarm);
    signal(SIGABRT, on_abort);
    signal(SIGINT, SIG_DFL); /* which programs take; a shell in the background ignores it */
    signal(SIGTERM, SIG_DFL);
#if WF_ASAN
    __sanitizer_set_death_callback(print_repeat);
#endif
}

/* Memory: what lives, so that a leak is known in the run that made it. */

static atomic_long blocks;

static void *take(void *context, size_t size)
{
    (void)context;
    void *memory = malloc(size);
    if (memory)
        atomic_fetch_add(&blocks, 1);
    return memory;
}

static void *resize(void *context, void *memory, size_t size)
{
    (void)context;
    return realloc(memory, size);
}

static void give(void *context, void *memory)
{
    (void)context;
    atomic_fetch_sub(&blocks, 1);
    free(memory);
}

static const struct weft_allocator counting = { take, resize, give, NULL };

/* Whether the scenario means to be told so. */
static bool is_provoked(const char *text)
{
    for (const char *const *part = now.scenario->says; part && *part; part++)
        if (strstr(text, *part))
            return true;
    return false;
}

/* The log: failures are wanted, these sentences never are. */
static void judge_line(void *context, enum weft_logger logger, enum weft_log_level level,
                       const char *text, size_t size)
{
    static const char *const never[] = { "has ignored", "destroyed while pending", "left open",
                                         "would wait for its own end", "nothing can happen" };
    (void)context, (void)size;
    if (is_provoked(text))
        return;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (strstr(text, never[i]))
            torture_failed(__FILE__, __LINE__, text);
    if (now.scenario->strict && logger == WEFT_LOG_RUNTIME && level == WEFT_LOG_ERROR)
        torture_failed(__FILE__, __LINE__, text);
}

/* No test asks the network for a name: a server of names may take its time. What has been made of
 * an address, or is this machine's, is known without it. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **result)
{
    typedef int function(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = *hints;
    if (host && strcmp(host, "localhost") != 0)
        numeric.ai_flags |= AI_NUMERICHOST;
    return real(host, port, &numeric, result);
}

/* The loop's watch. */

static void roll_dice(weft_loop *loop, struct wf_region *where)
{
    static void (*const acts[])(weft_loop *, struct wf_region *) = {
        cancel_task, cancel_task, cancel_scope, cancel_scope,
        cancel_all,  pierce_all,  cancel_other, cancel_other,
    };
    if (wf_random_below(&now.dice, 12) == 0 && ++now.struck)
        acts[wf_random_below(&now.dice, sizeof acts / sizeof acts[0])](loop, where);
}

static void strike(weft_loop *loop, struct wf_region *where)
{
    const struct kind *kind = now.kind;
    uint64_t k = (uint64_t)++now.suspensions;
    if (now.scenario->suspends)
        now.scenario->suspends();
    if (!kind)
        return;
    if (kind->source == DICE) {
        roll_dice(loop, where);
    } else if (kind->source == SUSPENSION &&
               (k == now.point || (kind->twice && k == now.point + 1))) {
        now.struck++;
        kind->act(loop, where);
    }
}

static void on_suspend(weft_loop *loop, weft_task *task)
{
    strike(loop, task->innermost);
}

static void on_wait(weft_loop *loop, struct wf_member *member)
{
    strike(loop, &member->region);
}

/* As weft_run() does with .clock = WEFT_CLOCK_TEST, before anything has happened. */
static void use_virtual_time(weft_loop *loop)
{
    wf_clock_init(&loop->clock, true);
    wf_timers_init(&loop->timers, wf_clock_now(&loop->clock));
    loop->direct_turns = false;
    loop->grace = WEFT_HOUR;
}

static void on_birth(weft_loop *loop)
{
    loop->stacks.fault = now.stack;
    if (now.scenario->program && !now.keeps_time)
        use_virtual_time(loop);
    if (now.scenario->born)
        now.scenario->born(loop);
    if (now.kind && now.kind->source == ORDER)
        wf_shuffle_begin(loop, now.point);
}

static void on_death(weft_loop *loop)
{
    now.stack = loop->stacks.fault;
    loop->stacks.fault = (struct wf_stack_fault){ 0 };
    torture_require(!loop->tasks_abandoned);
    torture_require(loop->background.live == 0);
    torture_require(loop->tasks.live <= 1 || now.scenario->program); /* main's handle */
    torture_require(loop->jobs == 0);
    torture_require(loop->foreign == 0);
    torture_require(loop->timers.count <= loop->calls.live);
    torture_require(!loop->ready.head && !loop->lifo);
    torture_require(atomic_load(&loop->posts) == 0);
    wf_fibers_free_idle(loop);
    torture_require(loop->stacks.live == 0);
}

/* A thread of a group makes its loop under the same faults: the other one waits. */
static void on_help(bool begins)
{
    wf_memory_fault_set(begins ? &now.memory : NULL);
    wf_io_fault_set(begins ? &now.call : NULL);
}

static const struct wf_loop_watch watch = {
    .born = on_birth, .suspends = on_suspend, .dies = on_death, .waits = on_wait, .helps = on_help
};

/* One run. */

static int count_fds(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* Abandoned jobs may still be on their threads. */
static void wait_for_blocks(long before)
{
    struct timespec pause = { .tv_nsec = 100000 };
    for (int i = 0; atomic_load(&blocks) != before; i++) {
        if (i == 50000)
            torture_failed(__FILE__, __LINE__, "memory was not given back");
        nanosleep(&pause, NULL);
    }
}

static void arm_dice(void)
{
    wf_random_seed(&now.dice, now.point);
    if (wf_random_below(&now.dice, 2))
        now.memory =
            (struct wf_memory_fault){ .countdown = 1 + (long)wf_random_below(&now.dice, 40),
                                      .persistent = wf_random_below(&now.dice, 2) };
    if (wf_random_below(&now.dice, 4) == 0)
        now.stack = (struct wf_stack_fault){ .countdown = 1 + (long)wf_random_below(&now.dice, 20),
                                             .persistent = wf_random_below(&now.dice, 2) };
    if (wf_random_below(&now.dice, 2))
        now.call = (struct wf_io_fault){ .kind = WF_FAULT_CONTROL,
                                         .countdown = 1 + (long)wf_random_below(&now.dice, 20),
                                         .error = ENOMEM };
}

static size_t short_bytes(void)
{
    return now.scenario->short_bytes ? now.scenario->short_bytes : 1;
}

/* Without a kind the counters stand far away, and tell afterwards how often each was passed. */
static void arm(void)
{
    long point = now.kind ? (long)now.point : FAR;
    enum source source = now.kind ? now.kind->source : ALLOCATION;
    bool persistent = now.kind && now.kind->persistent;
    now.memory = (struct wf_memory_fault){ 0 };
    now.stack = (struct wf_stack_fault){ 0 };
    if (!now.kind || source == ALLOCATION)
        now.memory = (struct wf_memory_fault){ .countdown = point, .persistent = persistent };
    if (!now.kind || source == STACK)
        now.stack = (struct wf_stack_fault){ .countdown = point, .persistent = persistent };
    if (source == CALL)
        now.call = (struct wf_io_fault){ .kind = now.kind->call,
                                         .countdown = point,
                                         .persistent = persistent,
                                         .error = now.kind->error,
                                         .bytes_max = short_bytes() };
    if (source == DICE)
        arm_dice();
    now.stack_armed = now.kind && now.stack.countdown > 0;
}

static void describe(void)
{
    snprintf(now.repeat, sizeof now.repeat, "repeat with WEFT_TORTURE='%s:%s:%" PRIu64 "'\n",
             now.scenario->name, now.kind ? now.kind->name : "calm", now.point);
}

static void run(const struct torture_scenario *scenario, const struct kind *kind, uint64_t point)
{
    now.scenario = scenario;
    now.kind = kind;
    now.point = point;
    now.suspensions = 0;
    now.keeps_time = false;
    now.struck = 0;
    describe();
    forget_hushed();
    if (scenario->begin)
        scenario->begin();
    int fds = count_fds();
    long before = atomic_load(&blocks);
    arm();
    wf_loop_watch = &watch;
    wf_memory_fault_set(&now.memory);
    wf_io_fault_set(&now.call);
    alarm(PATIENCE_SECONDS);
    int result = scenario->program ? scenario->program(scenario)
                                   : weft_run(scenario->main, NULL, .clock = WEFT_CLOCK_TEST,
                                              .no_signals = true, .grace = WEFT_HOUR,
                                              .debug = scenario->debug, .slow_step = WEFT_HOUR);
    wf_io_fault_set(NULL);
    wf_memory_fault_set(NULL);
    wf_loop_watch = NULL;
    wf_coros_give_up();
    wf_coros_fini();
    if (scenario->check)
        scenario->check(result);
    wait_for_blocks(before);
    alarm(0);
    if (count_fds() != fds)
        torture_failed(__FILE__, __LINE__, "descriptors were not closed");
}

/* All runs of a scenario. */

struct totals {
    long suspensions, allocations, stacks, calls, runs;
};

static void add(struct totals *to, const struct totals *from)
{
    to->suspensions += from->suspensions;
    to->allocations += from->allocations;
    to->stacks += from->stacks;
    to->calls += from->calls;
    to->runs += from->runs;
}

/* Each point was struck alone, and in several ways with others. tools/suite reads the last line. */
static void print_totals(const char *name, const struct totals *totals)
{
    dprintf(to_out,
            "%s: runs %ld, points %ld, suspensions %ld, allocations %ld, mappings %ld, "
            "kernel calls %ld\n",
            name, totals->runs,
            totals->suspensions + totals->allocations + totals->stacks + totals->calls,
            totals->suspensions, totals->allocations, totals->stacks, totals->calls);
}

/* What users' code has taken from malloc() itself. */
static void check_leaks(void)
{
#if WF_ASAN
    if (__lsan_do_recoverable_leak_check())
        torture_failed(__FILE__, __LINE__, "memory was leaked by one of the runs up to this one");
#endif
}

/* How often a kind of call is made when nothing goes wrong. */
static long count_calls(const struct torture_scenario *scenario, const struct kind *kind)
{
    now.call = (struct wf_io_fault){ .kind = kind->call, .countdown = FAR, .bytes_max = 1 };
    run(scenario, NULL, 0);
    return FAR - now.call.countdown;
}

static long number_from(const char *variable, long otherwise)
{
    const char *text = getenv(variable);
    return text ? strtol(text, NULL, 10) : otherwise;
}

static long points_of(const struct torture_scenario *scenario, const struct kind *kind,
                      struct totals *totals)
{
    switch (kind->source) {
    case SUSPENSION:
        return totals->suspensions;
    case ALLOCATION:
        return totals->allocations;
    case STACK:
        return totals->stacks;
    case CALL: {
        long calls = count_calls(scenario, kind);
        totals->calls +=
            kind->persistent || kind->error == 0 ? 0 : calls; /* short: the same ones */
        return calls;
    }
    case ORDER:
        return number_from("WEFT_TORTURE_SEEDS", SEEDS);
    default:
        return 0;
    }
}

static void run_random(const struct torture_scenario *scenario, long rounds, struct totals *totals)
{
    const struct kind *kind = &kinds[sizeof kinds / sizeof kinds[0] - 1];
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    uint64_t seed = (uint64_t)time.tv_nsec + (uint64_t)time.tv_sec * UINT64_C(1000000000);
    for (long i = 0; i < rounds; i++)
        run(scenario, kind, seed + (uint64_t)i);
    totals->runs += rounds;
}

static struct totals torture_one(const struct torture_scenario *scenario, long rounds)
{
    struct totals totals = { 0 };
    now.call = (struct wf_io_fault){ .kind = WF_FAULT_ACCEPT };
    run(scenario, NULL, 0);
    totals.suspensions = now.suspensions;
    totals.allocations = FAR - now.memory.countdown;
    totals.stacks = FAR - now.stack.countdown;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        long points = points_of(scenario, &kinds[i], &totals);
        for (long n = 1; n <= points; n++)
            run(scenario, &kinds[i], (uint64_t)n);
        totals.runs += points;
        check_leaks();
    }
    run_random(scenario, scenario->fewer ? rounds / scenario->fewer : rounds, &totals);
    check_leaks();
    print_totals(scenario->name, &totals);
    return totals;
}

/* "scenario:kind:point", or a scenario alone. */
static int repeat_one(const struct torture_scenario *scenarios, size_t count, const char *text)
{
    char name[64] = "", kind[32] = "";
    uint64_t point = 0;
    int fields = sscanf(text, "%63[^:]:%31[^:]:%" SCNu64, name, kind, &point);
    bool ran = false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(scenarios[i].name, name) != 0)
            continue;
        ran = fields == 1 || strcmp(kind, "calm") == 0;
        if (fields == 1)
            torture_one(&scenarios[i], ROUNDS);
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            if (strcmp(kinds[k].name, kind) != 0)
                continue;
            run(&scenarios[i], &kinds[k], point);
            ran = true;
        }
        if (strcmp(kind, "calm") == 0)
            run(&scenarios[i], NULL, 0);
    }
    check_leaks();
    if (!ran)
        fprintf(stderr, "there is no '%s' here\n", text);
    return ran ? 0 : 1;
}

int torture(const struct torture_scenario *scenarios, size_t count)
{
    const char *only = getenv("WEFT_TORTURE");
    long rounds = number_from("WEFT_TORTURE_ROUNDS", ROUNDS);
    listen_for_death();
    signal(SIGPIPE, SIG_IGN);
    weft_set_allocator(&counting);
    weft_log_set_sink(judge_line, NULL);
    if (only)
        return repeat_one(scenarios, count, only);
    struct totals all = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct totals one = torture_one(&scenarios[i], rounds);
        add(&all, &one);
    }
    print_totals("covered", &all);
    return 0;
}
