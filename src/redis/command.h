#ifndef WF_REDIS_COMMAND_H
#define WF_REDIS_COMMAND_H

/* The commands of a server by their names, and what became of them.
 *
 * A name is looked up by its length and its first and last eight bytes, with letters of one case:
 * one multiplication and, as a rule, one look. Names of sixteen letters at most are thereby
 * compared already. */

#include <weft/redis_server.h>

#define WF_REDIS_NAME_MAX 31

/* How long something took, in nanoseconds: sixteen counters for each power of two, so a value is
 * known to 6 %. */
#define WF_REDIS_TIMES_SUB 16
#define WF_REDIS_TIMES_MAX ((36 - 4 + 1) * WF_REDIS_TIMES_SUB) /* up to a minute and more */

struct wf_redis_times {
    uint64_t counts[WF_REDIS_TIMES_MAX];
};

/* A command that a server knows. */
struct wf_redis_entry {
    const weft_redis_command *command;
    uint64_t head, tail; /* of its name */
    uint32_t length;
    bool is_letters; /* head, tail and length say all */
    uint64_t calls;
    uint64_t time;                /* nanoseconds, of all calls */
    uint64_t rejected;            /* it was not called */
    uint64_t failed;              /* it replied with an error */
    struct wf_redis_times *times; /* NULL: not called yet, or no memory */
};

struct wf_redis_commands {
    struct wf_redis_entry *entries; /* in the order of the tables */
    uint32_t count;
    uint16_t *slots; /* index + 1; 0: free. Open addressing */
    uint32_t mask;
};

/* Make the list of a table and, behind it, of another one whose names are not in the first.
 * -EINVAL: a line cannot be served, which the log names; -ENOMEM. */
int wf_redis_commands_init(struct wf_redis_commands *commands, const weft_redis_command *users,
                           const weft_redis_command *own);
void wf_redis_commands_fini(struct wf_redis_commands *commands);

/* NULL: there is none of that name. */
struct wf_redis_entry *wf_redis_commands_find(const struct wf_redis_commands *commands,
                                              weft_slice name);

/* Whether so many arguments are right for it. */
bool wf_redis_command_takes(const weft_redis_command *command, size_t count);

/* The indices of its keys among `count` arguments: from *first to *last, each *step-th. False: it
 * has none. */
bool wf_redis_command_keys(const weft_redis_command *command, size_t count, size_t *first,
                           size_t *last, size_t *step);

/* It has run for so long. */
void wf_redis_entry_note(struct wf_redis_entry *entry, int64_t time);

/* Forget what became of all. */
void wf_redis_commands_reset(struct wf_redis_commands *commands);

/* The time that so much of a hundred did not exceed. */
int64_t wf_redis_times_percentile(const struct wf_redis_times *times, double percent);

/* How many took no longer than `time`. */
uint64_t wf_redis_times_until(const struct wf_redis_times *times, int64_t time);

#endif
