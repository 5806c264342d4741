#include "watch.h"

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

/* Returns true when a block has ended, and is in *ended. `fair`: the watcher itself was in time. */
static bool look_at(struct block *block, const struct pulse *pulse, int loop, int64_t now,
                    bool fair, struct block *ended)
{
    int64_t due = atomic_load(&pulse->due), beat = atomic_load(&pulse->beat);
    if (block->start == 0) {
        if (fair && beat > 0 && due < now - WATCH_LATE)
            *block = block_of(pulse, loop, beat);
    } else if (beat > block->start) {
        block->duration = beat - block->start;
        *ended = *block;
        block->start = 0;
        return true;
    } else if (due == INT64_MAX) { /* the process is gone */
        block->start = 0;
    }
    block->duration = now - block->start;
    return false;
}

int watch_look(struct watch *watch, const struct board *board, int64_t now,
               struct block ended[STOREFRONT_PROCESSES])
{
    bool fair = now < watch->due + WATCH_LATE;
    watch->due = now + watch_interval(board, now);
    int count = 0;
    for (int i = 0; i < STOREFRONT_PROCESSES; i++)
        count += look_at(&watch->going_on[i], &board->pulses[i], i, now, fair, &ended[count]);
    return count;
}
