#include "actor.h"

#include "say.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define START_TIME (10 * WEFT_SECOND) /* within which a server must listen */

/* It has ended. What we did not do ourselves is worth a line. */
static void leave(struct actor *actor)
{
    int process = (int)actor->child.process, status = child_wait(&actor->child);
    if (actor->process != NULL)
        atomic_store(actor->process, 0);
    if (actor->pulse != NULL)
        atomic_store(&actor->pulse->due, INT64_MAX);
    if (actor->is_stopped)
        return;
    if (status > 128)
        say("%s (process %d) was ended by signal %d, %s", actor->name, process, status - 128,
            strsignal(status - 128));
    else if (status != 0)
        say("%s (process %d) has ended with status %d", actor->name, process, status);
}

static int keep(void *arg)
{
    struct actor *actor = arg;
    int process = (int)syscall(SYS_pidfd_open, actor->child.process, 0);
    if (process < 0)
        return -errno;
    int err = weft_poll_fd(process, WEFT_READABLE);
    close(process);
    if (err >= 0)
        leave(actor);
    return err < 0 ? err : 0;
}

static int await_address(struct actor *actor)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = START_TIME);
    int err = weft_poll_fd(actor->child.output, WEFT_READABLE);
    err = weft_scope_leave(&scope, err < 0 ? err : 0);
    return err < 0 ? err : child_address(&actor->child, actor->address, sizeof actor->address);
}

int actor_start(struct actor *actor, const struct board *board, const char *const *words,
                bool serves)
{
    int err = child_start(&actor->child, board, words);
    if (err < 0)
        return err;
    actor->is_stopped = false;
    if (serves)
        err = await_address(actor);
    weft_task_release(actor->keeper);
    actor->keeper = NULL;
    if (err >= 0)
        err = weft_spawn(weft_background(), keep, actor, .task = &actor->keeper, .eager = true);
    if (err < 0)
        child_kill(&actor->child);
    else if (actor->process != NULL)
        atomic_store(actor->process, actor->child.process);
    return err;
}

void actor_stop(struct actor *actor)
{
    if (!actor_lives(actor))
        return;
    actor->is_stopped = true;
    kill(actor->child.process, SIGKILL);
    weft_await(actor->keeper);
    actor_fini(actor);
}

void actor_fini(struct actor *actor)
{
    weft_task_release(actor->keeper);
    actor->keeper = NULL;
    child_kill(&actor->child);
}
