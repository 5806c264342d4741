#include "ceiling.h"

#include "null.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static bool pin_among(const cpu_set_t *allowed, bool last)
{
    cpu_set_t one;
    size_t chosen = CPU_SETSIZE;
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, allowed) && (chosen == CPU_SETSIZE || last))
            chosen = i;
    if (chosen == CPU_SETSIZE)
        return false;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}

bool load_pin(bool last)
{
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 && pin_among(&allowed, last);
}

/* The server's process: it ends with us. */
static pid_t start_server(int listener, bool echoes)
{
    static volatile sig_atomic_t never;
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    load_pin(false);
    if (getppid() == parent)
        load_null_serve(listener, echoes, &never);
    _exit(1);
}

static int measure(const struct load_setup *setup, const struct load_message *message,
                   const char *url, int64_t duration, struct load_result *result, char *why,
                   size_t why_size)
{
    struct load_target target;
    struct load_engine *engine = NULL;
    if (load_target_init(&target, url, message, why, why_size) == 0)
        engine = load_engine_open(setup, &target, 1, why, why_size);
    int err = engine != NULL ? load_engine_connect(engine, why, why_size) : -1;
    if (err == 0) {
        struct load_plan warm_up = { .duration = duration / 5 }, plan = { .duration = duration };
        load_engine_run(engine, &warm_up, result);
        load_engine_run(engine, &plan, result);
    }
    if (engine != NULL)
        load_engine_close(engine);
    load_target_free(&target);
    return err;
}

int load_ceiling(const struct load_setup *setup, const struct load_message *message, bool echoes,
                 int64_t duration, struct load_result *result, char *why, size_t why_size)
{
    char name[64], url[96];
    cpu_set_t allowed;
    struct load_message plain = *message;
    plain.status_want = 0;
    int listener = load_null_listen(NULL, name, sizeof name, why, why_size);
    if (listener < 0)
        return -1;
    pid_t pid = start_server(listener, echoes);
    close(listener);
    if (pid < 0) {
        snprintf(why, why_size, "fork: %s", strerror(errno));
        return -1;
    }
    snprintf(url, sizeof url, "%s://%s", echoes ? "echo" : "http", name);
    bool restores = sched_getaffinity(0, sizeof allowed, &allowed) == 0 && load_pin(true);
    int err = measure(setup, &plain, url, duration, result, why, why_size);
    if (restores)
        sched_setaffinity(0, sizeof allowed, &allowed);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return err;
}
