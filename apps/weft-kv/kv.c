/* What weft-kv's commands share: see kv.h. Besides, a timer that is set only while there is
 * something to do for it:
 *
 *      a change ── 10 ms ──> a slice of 1 ms ── 4 ms ──> another one, while there is more
 *                                └── the next key's time of expiry, at most an hour
 *
 * A slice deletes keys whose time has come, frees what is left of large values, and moves buckets
 * of the table. */

#include "kv.h"

#include "base/compiler.h"
#include "codec/resp.h"
#include "weft-kv/memory.h"

#include <weft/memory.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE       WEFT_MILLISECOND        /* of work in the background … */
#define BETWEEN     (4 * WEFT_MILLISECOND)  /* … and until the next one, while there is more */
#define AFTERWARDS  (10 * WEFT_MILLISECOND) /* from a change to the work that it makes */
#define STEPS       64                      /* between two looks at the clock */
#define DAY_GOOD    WEFT_SECOND /* how long nobody looks whether the machine's clock was set */
#define TIMEOUT_MAX 1e9         /* seconds */

/* --- time --- */

static int64_t read_clock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * WEFT_SECOND + time.tv_nsec;
}

/* How far the time of the day is ahead of the clock that nobody sets, to a millisecond. False: it
 * took longer than that to read both. */
static bool read_apart(int64_t *apart)
{
    int64_t before = read_clock(CLOCK_MONOTONIC);
    *apart = read_clock(CLOCK_REALTIME) - before;
    return read_clock(CLOCK_MONOTONIC) - before < WEFT_MILLISECOND;
}

static void init_day(struct kv *kv)
{
    for (int tries = 0; !read_apart(&kv->apart) && tries < 100; tries++)
        ;
    kv->day_known = weft_now();
    kv->day = kv->apart + read_clock(CLOCK_MONOTONIC) - kv->day_known;
}

static void follow_clock(struct kv *kv)
{
    int64_t apart;
    if (!read_apart(&apart) || llabs(apart - kv->apart) < WEFT_MILLISECOND)
        return;
    kv->day += apart - kv->apart;
    kv->apart = apart;
}

/* The day goes by as weft_now() does, so also by a test's clock. */
static int64_t day_at(struct kv *kv, int64_t now)
{
    if (now - kv->day_known > DAY_GOOD) {
        follow_clock(kv);
        kv->day_known = now;
    }
    return (now + kv->day) / WEFT_MILLISECOND;
}

int64_t kv_now(struct kv *kv, const weft_redis_request *request)
{
    return day_at(kv, weft_redis_now(request));
}

int64_t kv_time(struct kv *kv)
{
    return day_at(kv, weft_now());
}

/* --- work in slices --- */

static void work(void *arg);

/* Sooner than what is planned, if something is. */
static void schedule(struct kv *kv, int64_t delay)
{
    int64_t at = weft_now() + delay;
    if (kv->work.id && kv->work_at <= at)
        return;
    weft_handle_cancel(kv->work);
    kv->work = weft_call_at(at, work, kv, .no_locals = true);
    kv->work_at = at;
}

/* Whether there is more to do now. */
static bool work_for_a_while(struct kv *kv)
{
    int64_t end = weft_now() + SLICE;
    bool expires = true, has_more = true;
    while ((expires || has_more) && weft_now() < end) {
        expires = expires && keyspace_expire_some(&kv->keyspace, kv_time(kv), STEPS);
        has_more = has_more && keyspace_work(&kv->keyspace, STEPS);
    }
    return expires || has_more;
}

static void work(void *arg)
{
    struct kv *kv = arg;
    kv->work = (weft_handle){ 0 };
    bool has_more = work_for_a_while(kv);
    int64_t next = keyspace_next_expiry(&kv->keyspace), now = kv_time(kv);
    if (has_more)
        schedule(kv, BETWEEN);
    else if (next != KEYSPACE_NEVER)
        schedule(kv, next - now < 3600000 ? (next - now + 1) * WEFT_MILLISECOND : WEFT_HOUR);
}

void kv_wake(struct kv *kv)
{
    if (kv->server)
        schedule(kv, AFTERWARDS);
}

static void changed(void *arg, weft_slice key, struct entry *entry, enum keyspace_event event)
{
    struct kv *kv = arg;
    if (!kv->server)
        return;
    if (event == KEYSPACE_FLUSHED)
        weft_redis_touch_all(kv->server);
    else
        weft_redis_touch(kv->server, key);
    if (!entry || entry->expires || kv->keyspace.remains)
        kv_wake(kv);
}

/* --- what the server asks --- */

static bool has_key(weft_slice key, void *app)
{
    struct kv *kv = app;
    return keyspace_peek(&kv->keyspace, key, kv_time(kv)) != NULL;
}

static void inform(const char *section, weft_buffer *text, void *app)
{
    struct kv *kv = app;
    struct keyspace *keyspace = &kv->keyspace;
    if (strcmp(section, "memory") == 0)
        weft_buffer_append_format(text, "used_memory:%llu\r\nmaxmemory:0\r\n",
                                  (unsigned long long)kv_memory_used());
    if (strcmp(section, "stats") == 0)
        weft_buffer_append_format(text, "expired_keys:%llu\r\n",
                                  (unsigned long long)keyspace->expired);
    if (strcmp(section, "keyspace") == 0 && keyspace_count(keyspace) > 0)
        weft_buffer_append_format(text, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n",
                                  (unsigned long long)keyspace_count(keyspace),
                                  (unsigned long long)keyspace_count_expiring(keyspace));
}

static void started(weft_redis_server *server, void *app)
{
    struct kv *kv = app;
    kv->server = server;
}

/* --- life --- */

static const weft_redis_command *const tables[] = {
    kv_key_commands,          kv_time_commands,     kv_string_commands,     kv_number_commands,
    kv_bit_commands,          kv_bitfield_commands, kv_server_commands,     kv_set_commands,
    kv_set_algebra_commands,  kv_zset_commands,     kv_zset_range_commands, kv_zset_pop_commands,
    kv_zset_algebra_commands, kv_list_commands,     kv_list_move_commands,  kv_hash_commands,
};

static size_t count_of(const weft_redis_command *table)
{
    size_t count = 0;
    while (table[count].handler)
        count++;
    return count;
}

int kv_init(struct kv *kv, uint64_t seed)
{
    struct kv_limits limits = KV_LIMITS_DEFAULT;
    size_t count = 1;
    *kv = (struct kv){ .server = NULL };
    for (size_t i = 0; i < WF_ARRAY_SIZE(tables); i++)
        count += count_of(tables[i]);
    kv->commands = weft_alloc(count * sizeof *kv->commands);
    if (!kv->commands)
        return -ENOMEM;
    weft_redis_command *at = kv->commands;
    for (size_t i = 0; i < WF_ARRAY_SIZE(tables); i++) {
        size_t size = count_of(tables[i]);
        memcpy(at, tables[i], size * sizeof *at);
        at += size;
    }
    limits.seed[0] = seed;
    limits.seed[1] = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    keyspace_init(&kv->keyspace, &limits, changed, kv);
    init_day(kv);
    return 0;
}

void kv_fini(struct kv *kv)
{
    weft_handle_cancel(kv->work);
    keyspace_fini(&kv->keyspace);
    weft_free(kv->commands);
}

int kv_serve(struct kv *kv, weft_listener *listener)
{
    int err = weft_redis_serve_on(
        listener, kv->commands, .app = kv, .info = inform, .has_key = has_key, .started = started,
        .parameters = kv_parameters, .output_max = kv->output_max, .name = "weft-kv");
    kv->server = NULL;
    weft_handle_cancel(kv->work);
    kv->work = (weft_handle){ 0 };
    return err;
}

/* --- finding --- */

int kv_find(struct kv *kv, weft_redis_request *request, weft_slice key, enum entry_type type,
            struct entry **entry)
{
    *entry = keyspace_find(&kv->keyspace, key, kv_now(kv, request));
    if (!*entry)
        return 0;
    if ((*entry)->type == type)
        return 1;
    kv_reply_wrong_type(request);
    return -EINVAL;
}

int kv_obtain(struct kv *kv, weft_redis_request *request, weft_slice key, enum entry_type type,
              struct entry **entry)
{
    int found = keyspace_obtain(&kv->keyspace, key, type, kv_now(kv, request), entry);
    if (found == -EINVAL)
        kv_reply_wrong_type(request);
    else if (found < 0)
        kv_reply_no_memory(request);
    return found;
}

/* --- answering --- */

int kv_reply_item(weft_redis_request *request, const struct pack_item *item)
{
    char space[PACK_TEXT_MAX];
    weft_slice text = pack_text(item, space);
    return weft_redis_reply_string(request, text.data, text.size);
}

int kv_reply_ok(weft_redis_request *request)
{
    return weft_redis_reply_status(request, "OK");
}

int kv_reply_syntax(weft_redis_request *request)
{
    return weft_redis_reply_error(request, "ERR syntax error");
}

int kv_reply_wrong_type(weft_redis_request *request)
{
    return weft_redis_reply_error(
        request, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

int kv_reply_no_memory(weft_redis_request *request)
{
    return weft_redis_reply_error(request, "OOM out of memory");
}

int kv_reply_no_integer(weft_redis_request *request)
{
    return weft_redis_reply_error(request, "ERR value is not an integer or out of range");
}

int kv_reply_no_key(weft_redis_request *request)
{
    return weft_redis_reply_error(request, "ERR no such key");
}

int kv_reply_arity(weft_redis_request *request, const char *command)
{
    return weft_redis_reply_error(request, "ERR wrong number of arguments for '%s' command",
                                  command);
}

int kv_reply_too_long(weft_redis_request *request)
{
    return weft_redis_reply_error(request,
                                  "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
}

/* --- reading --- */

bool kv_parse_integer(weft_slice text, int64_t *value)
{
    return wf_resp_read_integer(text.data, text.size, value);
}

bool kv_read_integer(weft_redis_request *request, weft_slice text, int64_t *value)
{
    if (wf_resp_read_integer(text.data, text.size, value))
        return true;
    kv_reply_no_integer(request);
    return false;
}

bool kv_read_integer_within(weft_redis_request *request, weft_slice text, int64_t least,
                            int64_t most, int64_t *value)
{
    bool is_number = kv_parse_integer(text, value);
    if (is_number && *value >= least && *value <= most)
        return true;
    if (least == 0)
        weft_redis_reply_error(request, "ERR value is out of range, must be positive");
    else if (!is_number)
        kv_reply_no_integer(request);
    else
        weft_redis_reply_error(request,
                               "ERR value is out of range, value must between %lld and %lld",
                               (long long)least, (long long)most);
    return false;
}

bool kv_read_double(weft_redis_request *request, weft_slice text, double *value)
{
    if (wf_resp_read_double(text.data, text.size, value))
        return true;
    weft_redis_reply_error(request, "ERR value is not a valid float");
    return false;
}

bool kv_read_timeout(weft_redis_request *request, weft_slice text, int64_t *timeout)
{
    double seconds;
    const char *wrong = NULL;
    if (!wf_resp_read_double(text.data, text.size, &seconds))
        wrong = "ERR timeout is not a float or out of range";
    else if (seconds < 0)
        wrong = "ERR timeout is negative";
    else if (seconds > TIMEOUT_MAX)
        wrong = "ERR timeout is out of range";
    if (wrong) {
        weft_redis_reply_error(request, "%s", wrong);
        return false;
    }
    *timeout = (int64_t)(seconds * (double)WEFT_SECOND);
    if (*timeout == 0 && seconds > 0)
        *timeout = 1;
    return true;
}

bool kv_cut_range(int64_t *first, int64_t *last, uint64_t count)
{
    int64_t size = (int64_t)count;
    if (*first < 0)
        *first = *first + size < 0 ? 0 : *first + size;
    if (*last < 0)
        *last += size;
    if (*last >= size)
        *last = size - 1;
    return *first <= *last && *last >= 0;
}

bool kv_cut_string_range(int64_t *first, int64_t *last, uint64_t count)
{
    int64_t size = (int64_t)count;
    if (*last < 0)
        *last = *last + size < 0 ? 0 : *last + size;
    return kv_cut_range(first, last, count);
}

bool kv_read_key_count(weft_redis_request *request, size_t index, size_t *count)
{
    weft_slice text = request->args[index];
    int64_t value;
    if (!wf_resp_read_integer(text.data, text.size, &value) || value <= 0) {
        weft_redis_reply_error(request, "ERR numkeys should be greater than 0");
        return false;
    }
    if ((uint64_t)value > request->count - index - 1) {
        kv_reply_syntax(request);
        return false;
    }
    *count = (size_t)value;
    return true;
}

bool kv_read_limit(weft_redis_request *request, size_t index, uint64_t *limit)
{
    int64_t value = 0;
    for (; index < request->count; index += 2) {
        if (!weft_redis_is(request->args[index], "limit") || index + 1 == request->count) {
            kv_reply_syntax(request);
            return false;
        }
        if (!kv_parse_integer(request->args[index + 1], &value) || value < 0) {
            weft_redis_reply_error(request, "ERR LIMIT can't be negative");
            return false;
        }
    }
    *limit = value ? (uint64_t)value : UINT64_MAX;
    return true;
}

/* --- scanning --- */

static bool read_cursor(weft_redis_request *request, weft_slice text, uint64_t *cursor)
{
    *cursor = 0;
    bool is_good = text.size > 0 && text.size <= 20;
    for (size_t i = 0; i < text.size && is_good; i++) {
        unsigned digit = (unsigned)(text.data[i] - '0');
        is_good = digit <= 9 && !__builtin_mul_overflow(*cursor, 10, cursor) &&
                  !__builtin_add_overflow(*cursor, digit, cursor);
    }
    if (!is_good)
        weft_redis_reply_error(request, "ERR invalid cursor");
    return is_good;
}

static bool read_steps(weft_redis_request *request, weft_slice text, struct kv_scan *scan)
{
    int64_t steps;
    if (!kv_read_integer(request, text, &steps))
        return false;
    if (steps < 1) {
        kv_reply_syntax(request);
        return false;
    }
    scan->steps = (uint64_t)steps;
    return true;
}

static bool read_scan_words(weft_redis_request *request, size_t index, bool of_keys,
                            struct kv_scan *scan)
{
    for (size_t i = index; i < request->count; i += 2) {
        weft_slice word = request->args[i];
        bool has_value = i + 1 < request->count;
        if (weft_redis_is(word, "match") && has_value) {
            scan->pattern = request->args[i + 1];
        } else if (weft_redis_is(word, "count") && has_value) {
            if (!read_steps(request, request->args[i + 1], scan))
                return false;
        } else if (weft_redis_is(word, "type") && has_value && of_keys) {
            scan->type = request->args[i + 1];
        } else if (weft_redis_is(word, "novalues") && !of_keys) {
            scan->no_values = true;
            i--;
        } else {
            kv_reply_syntax(request);
            return false;
        }
    }
    return true;
}

bool kv_read_scan(weft_redis_request *request, size_t index, bool of_keys, struct kv_scan *scan)
{
    *scan = (struct kv_scan){ .steps = 10 };
    return read_cursor(request, request->args[index], &scan->cursor) &&
           read_scan_words(request, index + 1, of_keys, scan);
}

int kv_find_to_scan(struct kv *kv, weft_redis_request *request, enum entry_type type,
                    struct kv_scan *scan, struct entry **entry)
{
    *scan = (struct kv_scan){ .steps = 10 };
    if (!read_cursor(request, request->args[2], &scan->cursor))
        return -EINVAL;
    int found = kv_find(kv, request, request->args[1], type, entry);
    if (found == 0) {
        weft_redis_mark mark = weft_redis_reply_defer(request);
        weft_redis_reply_scan_deferred(request, mark, 0, 0);
    }
    if (found <= 0)
        return -EINVAL;
    return read_scan_words(request, 3, false, scan) ? 0 : -EINVAL;
}
