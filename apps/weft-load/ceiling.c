#include "ceiling.h"

#include "null.h"
#include "run.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Processors: the first of ours for us, another one for the server. --- */

static int first_of(const cpu_set_t *set)
{
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, set))
            return i;
    return 0;
}

static void stay_on(int processor)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)processor, &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* Any but this one: of those that we have, or else of all. Where there is no other, it is shared.
 */
static void stay_off(int processor, const cpu_set_t *ours)
{
    cpu_set_t others = *ours;
    CPU_CLR((size_t)processor, &others);
    if (CPU_COUNT(&others) == 0) {
        memset(&others, 0xff, sizeof others);
        CPU_CLR((size_t)processor, &others);
    }
    sched_setaffinity(0, sizeof others, &others);
}

/* The server's process: it ends with us. */
static pid_t start(struct null *null, const cpu_set_t *ours)
{
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    stay_off(first_of(ours), ours);
    if (getppid() == parent)
        null_serve(null);
    _exit(1);
}

/* --- Targets: the same requests, for another server. --- */

static int redirect(struct target *copies, const struct engine_options *options, const char *url,
                    char *why)
{
    struct target null;
    int err = target_init(&null, url, &(struct request_options){ .size = 1 }, why);
    for (int i = 0; i < options->target_count && err == 0; i++) {
        copies[i] = options->targets[i]; /* what it points to stays the other's */
        copies[i].address = null.address;
        copies[i].address_size = null.address_size;
        copies[i].memo.size = 0;
        copies[i].learned = NULL;
        if (copies[i].protocol != &echo_protocol)
            copies[i].expected = (struct expectation){ 0, TARGET_ANY_SIZE, NULL };
    }
    if (err == 0)
        target_fini(&null);
    return err;
}

static int run(struct engine *engine, int64_t duration, struct ceiling *ceiling, char *why)
{
    struct load_result *result = malloc(sizeof *result);
    if (result == NULL)
        return -ENOMEM;
    load_run(engine, &(struct load_run){ .duration = duration / 5 }, result);
    load_run(engine, &(struct load_run){ .duration = duration }, result);
    const struct measures *measures = &result->measures;
    int err = measures->answered > 0 && measures_faults(measures) == 0 ? 0 : -EIO;
    for (enum fault fault = FAULT_CONNECT; fault < FAULTS && err < 0; fault++)
        if (engine_example(engine, fault)[0] != '\0')
            snprintf(why, TARGET_TEXT_MAX, "the ceiling: %.200s", engine_example(engine, fault));
    if (err == 0)
        *ceiling =
            (struct ceiling){ result->achieved, (double)result->cpu / (double)measures->answered };
    free(result);
    return err;
}

static int measure(const struct engine_options *options, const char *url, int64_t duration,
                   struct ceiling *ceiling, char *why)
{
    struct engine_options ours = *options;
    ours.with = NULL;
    ours.ended = NULL;
    ours.targets = calloc((size_t)options->target_count, sizeof *ours.targets);
    if (ours.targets == NULL)
        return -ENOMEM;
    int err = redirect(ours.targets, options, url, why);
    struct engine *engine = err == 0 ? engine_new(&ours) : NULL;
    if (err == 0 && engine == NULL)
        err = -ENOMEM;
    if (err == 0)
        err = engine_learn(engine, options->check_every >= 0, why);
    if (err == 0)
        err = run(engine, duration, ceiling, why);
    engine_free(engine);
    for (int i = 0; i < options->target_count; i++)
        free(ours.targets[i].learned);
    free(ours.targets);
    return err;
}

int ceiling_find(const struct engine_options *options, size_t size, int64_t duration,
                 struct ceiling *ceiling, char why[TARGET_TEXT_MAX])
{
    const struct target *first = &options->targets[0];
    /* A command of Redis's that comes back is a reply: an array. */
    bool echoes = first->protocol != &http_protocol;
    for (int i = 1; i < options->target_count; i++)
        if (options->targets[i].protocol != first->protocol)
            return snprintf(why, TARGET_TEXT_MAX, "a ceiling is of one protocol"), -EINVAL;
    struct null *null = null_open(echoes ? "echo://127.0.0.1:0" : "http://127.0.0.1:0",
                                  first->to_head ? 0 : size, why);
    if (null == NULL)
        return -EIO;
    cpu_set_t ours;
    bool pins = sched_getaffinity(0, sizeof ours, &ours) == 0;
    if (!pins)
        CPU_ZERO(&ours);
    pid_t child = start(null, &ours);
    snprintf(why, TARGET_TEXT_MAX, "the ceiling: %s", strerror(child < 0 ? errno : ENOMEM));
    if (pins)
        stay_on(first_of(&ours));
    int err = child < 0 ? -EAGAIN : measure(options, null_url(null), duration, ceiling, why);
    if (pins)
        sched_setaffinity(0, sizeof ours, &ours);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    null_close(null);
    return err;
}
