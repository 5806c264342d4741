#include "io/spin.h"

#include "io/clock.h"

#include <sched.h>
#include <stdlib.h>

#define AUTOMATIC 20000 /* ns */
#define CPUS_MIN  4
#define LOOKS     16 /* between two readings of the ticks */

static int cpus_allowed(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int64_t automatic(void)
{
    const char *text = getenv("WEFT_SPIN");
    if (text && *text)
        return strtoll(text, NULL, 10);
    return cpus_allowed() >= CPUS_MIN ? AUTOMATIC : 0;
}

void wf_spin_init(struct wf_spin *spin, int64_t duration)
{
    if (duration == 0)
        duration = automatic();
    spin->bound = duration > 0 ? wf_clock_ticks_of(duration) : 0;
    spin->gap = 0;
}

/* Tell the processor that this is a loop of looking. */
static inline void pause_processor(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

bool wf_spin_until(const struct wf_inbox *inbox, uint64_t end)
{
    do {
        for (int i = 0; i < LOOKS; i++) {
            if (!wf_inbox_is_empty(inbox))
                return true;
            pause_processor();
        }
    } while (wf_clock_ticks() < end);
    return false;
}
