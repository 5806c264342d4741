#include "measures.h"

#include <string.h>

const char *const fault_names[FAULTS] = {
    "none", "connect", "reset", "short", "timeout", "malformed", "status", "size", "body",
};

void measures_merge(struct measures *into, const struct measures *from)
{
    into->asked += from->asked;
    into->answered += from->answered;
    into->connects += from->connects;
    into->bytes_in += from->bytes_in;
    into->bytes_out += from->bytes_out;
    for (int i = 0; i < FAULTS; i++)
        into->faults[i] += from->faults[i];
    for (int i = 0; i < 10; i++)
        into->statuses[i] += from->statuses[i];
    durations_merge(&into->from_due, &from->from_due);
    durations_merge(&into->from_sent, &from->from_sent);
    durations_merge(&into->late, &from->late);
}

void measures_clear(struct measures *measures)
{
    measures->asked = measures->answered = measures->connects = 0;
    measures->bytes_in = measures->bytes_out = 0;
    memset(measures->faults, 0, sizeof measures->faults);
    memset(measures->statuses, 0, sizeof measures->statuses);
    durations_clear(&measures->from_due);
    durations_clear(&measures->from_sent);
    durations_clear(&measures->late);
}

uint64_t measures_faults(const struct measures *measures)
{
    uint64_t sum = 0;
    for (int i = 0; i < FAULTS; i++)
        sum += measures->faults[i];
    return sum;
}
