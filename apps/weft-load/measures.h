#ifndef LOAD_MEASURES_H
#define LOAD_MEASURES_H

/* What was seen in some time: counts and durations that can be added up. */

#include "durations.h"

/* What can go wrong with a request. */
enum fault {
    FAULT_NONE,
    FAULT_CONNECT,   /* there is no connection */
    FAULT_RESET,     /* it ended before the answer began */
    FAULT_SHORT,     /* it ended within the answer */
    FAULT_TIMEOUT,   /* nothing for too long */
    FAULT_MALFORMED, /* what came is no answer, or nobody has asked for it */
    FAULT_STATUS,    /* the answer is another one than expected: by its status, … */
    FAULT_SIZE,      /* … the size of its body, … */
    FAULT_BODY,      /* … its bytes */
    FAULTS,
};

extern const char *const fault_names[FAULTS];

/* What was seen in some time. */
struct measures {
    uint64_t asked, answered; /* answered: rightly */
    uint64_t faults[FAULTS];  /* FAULT_NONE is not used */
    uint64_t connects;        /* connections made */
    uint64_t bytes_in, bytes_out;
    uint64_t statuses[10];      /* by their first digit */
    struct durations from_due;  /* of right answers: since the request was due */
    struct durations from_sent; /* … and since it was sent */
    struct durations late;      /* open loop: sent so much later than it could have been */
};

void measures_merge(struct measures *into, const struct measures *from);
void measures_clear(struct measures *measures);
uint64_t measures_faults(const struct measures *measures);

#endif
