#ifndef WEFT_LINE_H
#define WEFT_LINE_H

/* The line in front of an object that tasks wait for: what mutexes, queues, channels and their like
 * tell of it. */

#include <weft/define.h>

WEFT_BEGIN_DECLS

struct weft_line_stats {
    uint32_t waiting;   /* who stands in it now */
    uint32_t longest;   /* the most that ever stood in it at once */
    uint64_t waited;    /* how many have ever had to wait */
    uint64_t cancelled; /* of these: went away with nothing */
};
typedef struct weft_line_stats weft_line_stats;

WEFT_END_DECLS

#endif
