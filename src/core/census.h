#ifndef WF_CORE_CENSUS_H
#define WF_CORE_CENSUS_H

/* The deepest use of stack, for each function that tasks and generators begin with.
 *
 *     new stack ──first task of it──> measured at its end     by page: every so often
 *     any stack ──made like new────> measured at its end      by word: each task, under .debug
 *     either    ──still running────> measured by who asks     a few of each function
 *
 * A fiber runs one task after another, so a used stack tells of the deepest of them all. One whose
 * memory is new tells of its first task alone, and that costs nothing but looking
 * (context/depth.h). Looking is a system call, so by page the first WF_CENSUS_ALWAYS new stacks of
 * a function are measured and then each WF_CENSUS_EACH-th: what a new stack costs anyway, its page
 * faults, is twenty times as much. Who is measured is marked when its fiber is made, and only a
 * fiber's first task looks for the mark: who comes to a fiber that is there pays nothing, not even
 * a test. Under .debug no fiber is used twice, so that each task is its first.
 *
 * Depths count from the top of the stack: the fiber, the copied argument, and all frames. By page
 * they are up to one page too large. By word they are too small where a function has written
 * nothing but zeroes at the bottom of its frame, within a page.
 *
 * The table grows while fibers are made; what finds no place there for want of memory is not
 * measured. */

#include "context/stack.h"

#include <stdbool.h>
#include <stdint.h>
#include <weft/define.h>

#define WF_CENSUS_FUNCTIONS 256 /* further ones share one entry */
#define WF_CENSUS_ALWAYS    8
#define WF_CENSUS_EACH      16
#define WF_CENSUS_LIVE      64 /* of a function, in one survey */

typedef struct weft_loop weft_loop;
struct wf_fiber;

typedef void wf_entry_fn(void); /* compared only */

struct wf_census_entry {
    wf_entry_fn *fn;      /* NULL: an empty place, or the others */
    size_t deepest;       /* bytes */
    uint64_t measured;    /* how often */
    uint32_t stack_sizes; /* of the classes that it was measured on, or-ed */
    uint32_t made;        /* new stacks that it was the first on */
    uint32_t looked_at;   /* in this survey */
};

struct wf_census {
    struct wf_census_entry *entries; /* hashed; NULL: none yet */
    size_t places;                   /* a power of two; more than half are empty */
    size_t count;
    struct wf_census_entry others;
};

enum wf_measured { WF_NOT_MEASURED, WF_MEASURED_BY_PAGE, WF_MEASURED_EXACTLY };

/* How is a new fiber to be measured that is to begin with `fn`? */
enum wf_measured wf_census_wants(struct wf_fiber *fiber, wf_entry_fn *fn);

/* Around the function, on its stack. */
void wf_census_begin(struct wf_fiber *fiber);
void wf_census_end(struct wf_fiber *fiber, wf_entry_fn *fn);

/* Measure tasks that have not ended. */
void wf_census_survey(weft_loop *loop);

/* By word? */
bool wf_census_is_exact(const weft_loop *loop);

/* From one that was measured to the next, deepest first; false: it was the last. All zero before
 * the first. A copy, because whoever is told of it may make fibers, and the table grows. */
bool wf_census_next(const struct wf_census *census, struct wf_census_entry *last);

/* The smallest class in which twice its deepest use fits, where that is smaller than the one it ran
 * on, or less than a quarter of that one was left. 0: there is nothing to change, or no class is
 * large enough. */
uint32_t wf_census_suggested(const weft_loop *loop, const struct wf_census_entry *entry);

void wf_census_fini(struct wf_census *census);

#endif
