#ifndef WF_CORE_SHUFFLE_H
#define WF_CORE_SHUFFLE_H

/* WEFT_SHUFFLE: another order of ready tasks, where none is promised. */

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <weft/task.h>

struct wf_shuffle_place;

struct wf_shuffle {
    struct wf_random dice;
    struct wf_shuffle_place *places; /* room to work in; NULL: none yet */
    size_t room;
    bool on;
};

/* As WEFT_SHUFFLE says. */
void wf_shuffle_init(weft_loop *loop);
void wf_shuffle_fini(weft_loop *loop);

/* From now on, by this seed. For tests. */
void wf_shuffle_begin(weft_loop *loop, uint64_t seed);

/* A turn begins: the queue's first `before` items have had their order already. */
void wf_shuffle_turn(weft_loop *loop, size_t before);

#endif
