/* The runner: each scenario on each driver, the logs beside the first driver's. */

#include "conformance.h"

#include <sys/time.h>

static const struct {
    const char *name, *backend, *mask;
    bool keen; /* wf_io_options */
} drivers[] = {
    { "epoll", "epoll", NULL, false },           { "uring", "uring", NULL, false },
    { "uring of 6.6", "uring", "6.6", false },   { "uring of 6.1", "uring", "6.1", false },
    { "uring of 5.15", "uring", "5.15", false }, { "keen uring", "uring", NULL, true },
};

enum { DRIVERS = WF_ARRAY_SIZE(drivers), OPEN_MAX_AT_ONCE = 4 };

/* The driver, watched: done() comes from wait() alone, and who waits ends once. */

static struct watched {
    struct wf_io *io; /* NULL: free */
    const struct wf_io_ops *ops;
    uint64_t waited, given_up;
} watched[OPEN_MAX_AT_ONCE];

static struct watched *watched_of(const struct wf_io *io)
{
    for (int i = 0; i < OPEN_MAX_AT_ONCE; i++)
        if (watched[i].io == io)
            return &watched[i];
    fail_msg("no more than %d drivers at a time", OPEN_MAX_AT_ONCE);
    return NULL;
}

static uint64_t completions(const struct watched *driver)
{
    return driver->ops->counters(driver->io)->completions;
}

static void watched_close(struct wf_io *io)
{
    struct watched *driver = watched_of(io);
    const struct wf_io_counters *counted = driver->ops->counters(io);
    assert_int_equal(counted->pending, 0);
    assert_int_equal(counted->completions + driver->given_up, driver->waited);
    driver->ops->close(io);
    *driver = (struct watched){ 0 };
}

static int watched_attach(struct wf_io *io, struct wf_descriptor *descriptor, int fd)
{
    struct watched *driver = watched_of(io);
    uint64_t before = completions(driver);
    int err = driver->ops->attach(io, descriptor, fd);
    assert_int_equal(completions(driver), before);
    return err;
}

static void watched_release(struct wf_io *io, struct wf_descriptor *descriptor)
{
    struct watched *driver = watched_of(io);
    uint64_t before = completions(driver);
    driver->ops->release(io, descriptor);
    assert_int_equal(completions(driver), before);
}

static int64_t watched_submit(struct wf_io *io, struct wf_op *op)
{
    struct watched *driver = watched_of(io);
    uint64_t before = completions(driver);
    int64_t result = driver->ops->submit(io, op);
    assert_int_equal(completions(driver), before);
    assert_true(op->pending == (result == WF_PENDING));
    assert_false(op->now && op->pending);
    driver->waited += result == WF_PENDING;
    return result;
}

static bool watched_cancel(struct wf_io *io, struct wf_op *op)
{
    struct watched *driver = watched_of(io);
    uint64_t before = completions(driver);
    bool gone = driver->ops->cancel(io, op);
    assert_int_equal(completions(driver), before);
    assert_true(op->pending == !gone);
    driver->given_up += gone;
    return gone;
}

static void watched_lend_return(struct wf_io *io, char *block)
{
    watched_of(io)->ops->lend_return(io, block);
}

static void watched_wait(struct wf_io *io, int64_t timeout)
{
    watched_of(io)->ops->wait(io, timeout);
}

static const struct wf_io_counters *watched_counters(const struct wf_io *io)
{
    return watched_of(io)->ops->counters(io);
}

static void watched_memory(const struct wf_io *io, struct wf_io_memory *memory)
{
    watched_of(io)->ops->memory(io, memory);
}

static const struct wf_io_ops watching = {
    .name = "watched",
    .close = watched_close,
    .attach = watched_attach,
    .release = watched_release,
    .submit = watched_submit,
    .cancel = watched_cancel,
    .lend_return = watched_lend_return,
    .wait = watched_wait,
    .counters = watched_counters,
    .memory = watched_memory,
};

/* Scenes. */

static int open_watched(struct world *world, const struct wf_io_options *options, int number,
                        const char **reason)
{
    if (drivers[number].mask)
        setenv("WEFT_URING_MASK", drivers[number].mask, 1);
    else
        unsetenv("WEFT_URING_MASK");
    struct watched *driver = watched_of(NULL);
    int err = wf_io_open(drivers[number].backend, options, &driver->io, &driver->ops, reason);
    if (err == 0) {
        world->io = driver->io;
        world->ops = &watching;
    }
    return err;
}

int scene_open(const struct scene *scene, struct world *world, struct wf_io_options options,
               const char **reason)
{
    world->fds = count_fds();
    assert_int_equal(wf_inbox_new(&world->inbox), 0);
    options.inbox = world->inbox;
    options.keen = drivers[scene->number].keen;
    int err = open_watched(world, &options, scene->number, reason);
    if (err < 0)
        wf_inbox_release(world->inbox);
    return err;
}

void scene_run(struct scene *scene, weft_fn *fn)
{
    assert_int_equal(weft_run(fn, scene, .backend = drivers[scene->number].backend,
                              .clock = WEFT_CLOCK_TEST, .no_signals = true),
                     0);
}

void say(struct scene *scene, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    journal_say(&scene->journal, format, values);
    va_end(values);
}

const char *name_of(int64_t result)
{
    static char texts[8][32];
    static unsigned last;
    char *text = texts[++last % 8];
    const char *name = result < 0 ? weft_error_name((int)result) : "";
    if (result < 0)
        snprintf(text, sizeof texts[0], "%s%s", *name == 'E' ? "-" : "", name);
    else
        snprintf(text, sizeof texts[0], "%lld", (long long)result);
    return text;
}

/* Runs. */

struct run {
    const struct scenario *scenario;
    struct run *first; /* the same on the first driver */
    struct scene scene;
    bool complete;
};

static long runs, lines;

/* What this machine may lack. Anything else that an open says is a failure. */
static bool is_refusal(int err)
{
    return err == -ENOSYS || err == -EPERM || err == -EACCES || err == -ENOTSUP || err == -ENOMEM;
}

static void fail_unless_equal(const struct run *run)
{
    const char *name = drivers[run->scene.number].name;
    const char *first = drivers[run->first->scene.number].name;
    struct journal difference;
    journal_begin(&difference);
    if (!journal_difference(first, journal_text(&run->first->scene.journal), name,
                            journal_text(&run->scene.journal), &difference))
        return;
    fputs(journal_text(&difference), stderr);
    journal_end(&difference);
    fail_msg("%s: the log on %s is not that on %s", run->scenario->name, name, first);
}

static void fail_unless_expected(const struct run *run)
{
    const char *where, *text = journal_text(&run->scene.journal);
    if (journal_follows(text, run->scenario->expected, &where))
        return;
    if (run->first == run || run->first->scene.journal.lines == 0)
        fputs(text, stderr);
    if (!*where)
        fail_msg("%s: the log goes on behind what is expected", run->scenario->name);
    fail_msg("%s: the log does not say: %.*s", run->scenario->name, (int)strcspn(where, "\n"),
             where);
}

static void check(void **state)
{
    struct run *run = *state;
    struct scene *scene = &run->scene;
    const char *reason = NULL;
    int err = scene_open(scene, &scene->world, run->scenario->options, &reason);
    if (err < 0 && scene->number > 0 && is_refusal(err)) {
        print_message("skipped: %s (%s)\n", drivers[scene->number].name, reason);
        run->complete = true;
        skip();
    }
    assert_int_equal(err, 0);
    run->scenario->play(scene);
    world_close(&scene->world);
    run->complete = true;
    runs++;
    lines += (long)scene->journal.lines;
    if (run->first != run && run->first->scene.journal.lines > 0)
        fail_unless_equal(run);
    fail_unless_expected(run);
}

/* A scenario that was cut off says how far it came, and leaves nothing armed. */
static int clear(void **state)
{
    struct run *run = *state;
    const struct itimerval quiet = { 0 };
    setitimer(ITIMER_REAL, &quiet, NULL);
    wf_io_fault_set(NULL);
    wf_memory_fault_set(NULL);
    unsetenv("WEFT_URING_MASK");
    if (!run->complete) {
        fprintf(stderr, "the log so far:\n%s", journal_text(&run->scene.journal));
        journal_end(&run->scene.journal); /* no measure for others */
        memset(watched, 0, sizeof watched);
    }
    return 0;
}

static void name_run(struct CMUnitTest *test, struct run *run)
{
    static char names[64 * DRIVERS][80];
    static int count;
    char *name = names[count++];
    snprintf(name, sizeof names[0], "%s (%s)", run->scenario->name,
             drivers[run->scene.number].name);
    *test = (struct CMUnitTest){ name, check, NULL, clear, run };
}

int conformance(const char *name, const struct scenario *scenarios, size_t count)
{
    struct run *all = calloc(count * DRIVERS, sizeof *all);
    struct CMUnitTest *tests = calloc(count * DRIVERS, sizeof *tests);
    for (size_t i = 0; i < count * DRIVERS; i++) {
        all[i] = (struct run){ .scenario = &scenarios[i / DRIVERS],
                               .first = &all[i / DRIVERS * DRIVERS],
                               .scene.number = (int)(i % DRIVERS) };
        name_run(&tests[i], &all[i]);
    }
    int failed = _cmocka_run_group_tests(name, tests, count * DRIVERS, NULL, NULL);
    fprintf(stderr, "covered: scenarios %zu, runs %ld, lines %ld\n", count, runs, lines);
    if (failed > 0)
        _exit(1); /* drivers of scenarios that were cut off are open: leaks would be no news */
    for (size_t i = 0; i < count * DRIVERS; i++)
        journal_end(&all[i].scene.journal);
    free(all);
    free(tests);
    return 0;
}
