#ifndef WF_CORE_WATCHDOG_H
#define WF_CORE_WATCHDOG_H

/* Finds steps that are too long while they still run. Only for loops with `.debug`. */

#include <stdbool.h>
#include <stdint.h>
#include <weft/loop.h>

#define WF_SLOW_STEP (100 * WEFT_MILLISECOND)

struct wf_watchdog;

/* Whether WEFT_DEBUG asks for it. */
bool wf_debug_from_environment(void);

/* Around a run of the loop, by its thread. Without a thread or memory there is none, and the log
 * says so. */
void wf_watchdog_start(weft_loop *loop);
void wf_watchdog_stop(weft_loop *loop);

#endif
