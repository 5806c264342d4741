#include "watch.h"

#include "usage.h"

#include <sys/syscall.h>
#include <unistd.h>
#include <weft.h>

#define BUSY_TIME (2 * WEFT_SECOND) /* after a page was asked for */

int64_t watch_interval(const struct board *board, int64_t now)
{
    for (int i = 0; i < SIDES; i++)
        if (now - atomic_load(&board->sides[i].served.begun_at) < BUSY_TIME ||
            atomic_load(&board->sides[i].served.in_flight) > 0)
            return WATCH_INTERVAL;
    return WATCH_INTERVAL_IDLE;
}

int pulse_beat(void *arg)
{
    const struct pulse_loop *loop = arg;
    struct pulse *pulse = &loop->board->pulses[loop->loop];
    int err = 0;
    atomic_store(&pulse->thread, (pid_t)syscall(SYS_gettid));
    while (err >= 0) {
        int64_t now = weft_now(), interval = watch_interval(loop->board, now);
        atomic_store(&pulse->beat, now);
        atomic_store(&pulse->due, now + interval);
        err = weft_sleep(interval);
    }
    atomic_store(&pulse->due, INT64_MAX);
    return err;
}

void pulse_note(struct pulse *pulse, int who)
{
    atomic_store_explicit(&pulse->who, who, memory_order_relaxed);
    atomic_store_explicit(&pulse->since, weft_now(), memory_order_release);
}

static struct block block_of(const struct pulse *pulse, int loop, int64_t beat)
{
    int64_t since = atomic_load_explicit(&pulse->since, memory_order_acquire);
    if (since <= beat)
        return (struct block){ .start = beat, .loop = loop, .who = WATCH_NOBODY };
    return (struct block){ .start = since, .loop = loop, .who = atomic_load(&pulse->who) };
}

static pid_t process_of(const struct board *board, int loop)
{
    const struct pulse *pulse = &board->pulses[loop];
    bool has_process = loop < STOREFRONT_PROCESSES; /* else it is one more loop of the gateway's */
    return atomic_load(has_process ? &board->sides[SIDE_WEFT].processes[loop] : &pulse->thread);
}

static void begin(struct watch *watch, const struct board *board, int loop, int64_t now)
{
    const struct pulse *pulse = &board->pulses[loop];
    int64_t beat = atomic_load(&pulse->beat);
    bool fair = now < watch->due + WATCH_LATE; /* the watcher itself was in time */
    if (beat == 0)
        return;
    if (atomic_load(&pulse->due) >= now - WATCH_LATE)
        watch->waited[loop] = usage_waited(process_of(board, loop));
    else if (fair)
        watch->going_on[loop] = block_of(pulse, loop, beat);
    if (watch->going_on[loop].start != 0 && usage_of(process_of(board, loop)).state == 'T')
        watch->going_on[loop].who = WATCH_STOPPED;
}

/* Returns true when it has ended. */
static bool go_on(struct watch *watch, const struct board *board, int loop, int64_t now,
                  struct block *ended)
{
    struct block *block = &watch->going_on[loop];
    const struct pulse *pulse = &board->pulses[loop];
    int64_t beat = atomic_load(&pulse->beat);
    if (beat <= block->start) {
        block->duration = now - block->start;
        if (atomic_load(&pulse->due) == INT64_MAX) /* the process is gone */
            block->start = 0;
        return false;
    }
    block->duration = beat - block->start;
    if (usage_waited(process_of(board, loop)) - watch->waited[loop] > block->duration / 2)
        block->who = WATCH_MACHINE;
    *ended = *block;
    block->start = 0;
    return true;
}

int watch_look(struct watch *watch, const struct board *board, int64_t now,
               struct block ended[STOREFRONT_PULSES])
{
    int count = 0;
    for (int i = 0; i < STOREFRONT_PULSES; i++)
        if (watch->going_on[i].start == 0)
            begin(watch, board, i, now);
        else
            count += go_on(watch, board, i, now, &ended[count]);
    watch->due = now + watch_interval(board, now);
    return count;
}
