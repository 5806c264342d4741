#ifndef KV_KV_H
#define KV_KV_H

/* What the commands share: the keys, the time, and how they answer.
 *
 *      weft_redis_serve ── command ──> find or obtain ──> change ──> keyspace_touch
 *                                                                        └── hook: watched and
 *                                                                            blocked clients
 *
 * A command is a weft_redis_handler whose `app` is the struct kv. None suspends. Time is that of
 * the day, in milliseconds, because times of expiry are; it is the request's, so all that a command
 * does happens at one time. It goes by with weft_now(), and jumps, within a second, when somebody
 * sets the machine's clock. */

#include "weft-kv/keyspace.h"

#include <weft/redis_server.h>

#define KV_STRING_MAX ((size_t)512 << 20) /* bytes */

struct kv {
    struct keyspace keyspace;
    size_t output_max;         /* bytes of replies that a client has not read; 0: 1 GiB */
    weft_redis_server *server; /* NULL: not served yet */
    int64_t day;               /* what is added to weft_now() for the time of the day, in ns */
    int64_t day_known;         /* weft_now() when the clocks were last looked at … */
    int64_t apart;             /* … and how far the day was ahead of the monotonic one, in ns */
    weft_handle work;          /* the next slice of what is done in the background … */
    int64_t work_at;           /* … and when, by weft_now() */
    weft_redis_command *commands; /* all tables behind one another */
};

/* In the loop that will serve it. 0, or -ENOMEM. The seed is whatever nobody can guess. */
int kv_init(struct kv *kv, uint64_t seed);
void kv_fini(struct kv *kv);

/* Serve on a listener of weft_redis_listen(), until cancelled: as weft_redis_serve_on(). */
int kv_serve(struct kv *kv, weft_listener *listener);

/* The time of the day for a command, in ms. */
int64_t kv_now(struct kv *kv, const weft_redis_request *request);

/* The same without one. */
int64_t kv_time(struct kv *kv);

/* There is something to expire or to free: let slices of it be done soon. */
void kv_wake(struct kv *kv);

/* --- finding --- */

/* 1: the key is there and of this type; 0: there is no such key; -EINVAL: it is of another type,
 * and that was replied. */
int kv_find(struct kv *kv, weft_redis_request *request, weft_slice key, enum entry_type type,
            struct entry **entry);

/* The same to change it, made if need be (0): keyspace_obtain(), with what went wrong replied. */
int kv_obtain(struct kv *kv, weft_redis_request *request, weft_slice key, enum entry_type type,
              struct entry **entry);

/* --- answering; each returns what the handler returns --- */

int kv_reply_item(weft_redis_request *request, const struct pack_item *item);
int kv_reply_ok(weft_redis_request *request);
int kv_reply_syntax(weft_redis_request *request);     /* ERR syntax error */
int kv_reply_wrong_type(weft_redis_request *request); /* WRONGTYPE … */
int kv_reply_no_memory(weft_redis_request *request);  /* OOM … */
int kv_reply_no_integer(weft_redis_request *request); /* ERR value is not an integer … */
int kv_reply_no_key(weft_redis_request *request);     /* ERR no such key */
int kv_reply_arity(weft_redis_request *request, const char *command); /* ERR wrong number of … */
int kv_reply_too_long(weft_redis_request *request);                   /* ERR string exceeds … */

/* --- reading arguments; false: that it is none was replied --- */

bool kv_read_integer(weft_redis_request *request, weft_slice text, int64_t *value);

/* Between `least` and `most`, else "ERR value is out of range…"; from 0 on also for what is no
 * integer. */
bool kv_read_integer_within(weft_redis_request *request, weft_slice text, int64_t least,
                            int64_t most, int64_t *value);

/* A whole text as a number; nothing is replied. */
bool kv_parse_integer(weft_slice text, int64_t *value);

/* Numbers with a fraction, as INCRBYFLOAT and HINCRBYFLOAT add them: read, and printed without an
 * exponent, with as few digits as are not zeros. 0: it would take more than KV_FLOAT_MAX bytes. */
#define KV_FLOAT_MAX 5120
bool kv_parse_float(weft_slice text, long double *value);
size_t kv_print_float(char out[KV_FLOAT_MAX], long double value);

/* "ERR value is not a valid float" */
bool kv_read_double(weft_redis_request *request, weft_slice text, double *value);

/* A timeout of a blocking command, in seconds with a fraction: in ns for weft_redis_block(). */
bool kv_read_timeout(weft_redis_request *request, weft_slice text, int64_t *timeout);

/* A time in units of so many ms, counted from `from`, in ms. */
bool kv_read_when(weft_redis_request *request, weft_slice text, int64_t unit, int64_t from,
                  const char *command, int64_t *when);

/* An offset of bits, for a field of `width`; with "#" before it counts in units. */
bool kv_read_bit_offset(weft_redis_request *request, weft_slice text, int64_t unit, int64_t width,
                        int64_t *offset);

/* Indices from the end where they are negative, as LRANGE has them, cut to what is there. False:
 * nothing is. */
bool kv_cut_range(int64_t *first, int64_t *last, uint64_t count);

/* The same as strings have them: an end far in front of the first byte is the first byte. */
bool kv_cut_string_range(int64_t *first, int64_t *last, uint64_t count);

/* The numkeys of "numkeys key [key ...]" at this index, as LMPOP has it: at least 1, else that is
 * said, and so many arguments follow, else it is a syntax error. */
bool kv_read_key_count(weft_redis_request *request, size_t index, size_t *count);

/* "[LIMIT limit]" from this index on, as SINTERCARD has it: UINT64_MAX where there is none. */
bool kv_read_limit(weft_redis_request *request, size_t index, uint64_t *limit);

/* --- scanning: SCAN, HSCAN, SSCAN, ZSCAN --- */

struct kv_scan {
    uint64_t cursor;
    uint64_t steps;     /* COUNT, 10 */
    weft_slice pattern; /* .data NULL: any */
    weft_slice type;    /* .data NULL: any; of SCAN alone */
    bool no_values;     /* NOVALUES; of HSCAN alone */
};

/* The reply is weft_redis_reply_scan_deferred()'s.
 *
 * "cursor [MATCH pattern] [COUNT count] [TYPE type] [NOVALUES]" from this index on. */
bool kv_read_scan(weft_redis_request *request, size_t index, bool of_keys, struct kv_scan *scan);

/* The same for "name key cursor ...", in the original's order: the cursor, the key, the words. 0:
 * the key is there; -EINVAL: all is replied, also that there is no such key. */
int kv_find_to_scan(struct kv *kv, weft_redis_request *request, enum entry_type type,
                    struct kv_scan *scan, struct entry **entry);

/* --- the tables of commands, each ends with a line of zeros --- */

extern const weft_redis_command kv_key_commands[];      /* keys.c */
extern const weft_redis_command kv_time_commands[];     /* times.c */
extern const weft_redis_command kv_string_commands[];   /* strings.c */
extern const weft_redis_command kv_number_commands[];   /* numbers.c */
extern const weft_redis_command kv_bit_commands[];      /* bits.c */
extern const weft_redis_command kv_bitfield_commands[]; /* bitfield.c */
extern const weft_redis_command kv_server_commands[];   /* server.c */
extern const weft_redis_command kv_list_commands[];     /* lists.c */
extern const weft_redis_command kv_list_move_commands[];
extern const weft_redis_command kv_hash_commands[]; /* hashes.c */
extern const weft_redis_command kv_set_commands[];  /* sets.c */
extern const weft_redis_command kv_set_algebra_commands[];
extern const weft_redis_command kv_zset_commands[]; /* zsets.c */
extern const weft_redis_command kv_zset_range_commands[];
extern const weft_redis_command kv_zset_pop_commands[];
extern const weft_redis_command kv_zset_algebra_commands[];

/* What CONFIG has: server.c. */
extern const weft_redis_parameter kv_parameters[];

#endif
