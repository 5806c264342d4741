/* BITFIELD: numbers of so many bits in a string, read, set and added to. */

#include "kv.h"

#include <errno.h>
#include <string.h>

enum action { GET, SET, INCRBY };
enum overflow { WRAP, SAT, FAIL };

/* A field, and what is done with it. */
struct operation {
    enum action action;
    enum overflow overflow;
    bool is_signed;
    int64_t width, offset; /* bits */
    int64_t value;
};

static bool read_kind(weft_redis_request *request, weft_slice text, struct operation *operation)
{
    weft_slice digits = { text.data + 1, text.size - 1 };
    bool is_known = text.size > 1 && (text.data[0] == 'i' || text.data[0] == 'u');
    operation->is_signed = is_known && text.data[0] == 'i';
    if (is_known && kv_parse_integer(digits, &operation->width) && operation->width >= 1 &&
        operation->width <= (operation->is_signed ? 64 : 63))
        return true;
    weft_redis_reply_error(request, "ERR Invalid bitfield type. Use something like i16 u8. Note "
                                    "that u64 is not supported but i64 is.");
    return false;
}

static bool read_overflow(weft_redis_request *request, weft_slice text, enum overflow *overflow)
{
    static const char *const names[] = { "wrap", "sat", "fail" };
    for (size_t i = 0; i < 3; i++) {
        if (weft_redis_is(text, names[i])) {
            *overflow = (enum overflow)i;
            return true;
        }
    }
    weft_redis_reply_error(request, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* The operation at *index, which is passed. 1: one; 0: only a word for those behind it; -EINVAL. */
static int read_operation(weft_redis_request *request, size_t *index, struct operation *operation)
{
    const weft_slice *args = request->args + *index;
    size_t left = request->count - *index;
    bool is_get = weft_redis_is(args[0], "get"), is_set = weft_redis_is(args[0], "set");
    if (weft_redis_is(args[0], "overflow") && left >= 2) {
        *index += 2;
        return read_overflow(request, args[1], &operation->overflow) ? 0 : -EINVAL;
    }
    if ((!is_get && !is_set && !weft_redis_is(args[0], "incrby")) || left < (is_get ? 3u : 4u)) {
        kv_reply_syntax(request);
        return -EINVAL;
    }
    operation->action = is_get ? GET : is_set ? SET : INCRBY;
    if (!read_kind(request, args[1], operation) ||
        !kv_read_bit_offset(request, args[2], operation->width, operation->width,
                            &operation->offset) ||
        (!is_get && !kv_read_integer(request, args[3], &operation->value)))
        return -EINVAL;
    *index += is_get ? 3 : 4;
    return 1;
}

/* --- bits --- */

static uint64_t load(weft_slice bytes, const struct operation *operation)
{
    uint64_t value = 0;
    for (int64_t i = operation->offset; i < operation->offset + operation->width; i++) {
        size_t at = (size_t)i / 8;
        unsigned bit = at < bytes.size ? (unsigned char)bytes.data[at] >> (7 - i % 8) & 1u : 0;
        value = value << 1 | bit;
    }
    return value;
}

static void store(char *data, const struct operation *operation, uint64_t value)
{
    for (int64_t i = 0; i < operation->width; i++) {
        int64_t at = operation->offset + operation->width - 1 - i;
        unsigned char mask = (unsigned char)(0x80 >> at % 8);
        unsigned char byte = (unsigned char)data[at / 8];
        data[at / 8] = (char)(value >> i & 1 ? byte | mask : byte & ~mask);
    }
}

/* The lowest bits, as the number that they are. */
static int64_t number_of(uint64_t bits, const struct operation *operation)
{
    int shift = 64 - (int)operation->width;
    return operation->is_signed ? (int64_t)(bits << shift) >> shift
                                : (int64_t)(bits << shift >> shift);
}

/* --- doing --- */

/* What becomes of a sum that may not fit. False: FAIL, and it does not. */
static bool fit(const struct operation *operation, __int128 sum, int64_t *value)
{
    __int128 one = 1;
    __int128 most = (one << (operation->width - operation->is_signed)) - 1;
    __int128 least = operation->is_signed ? -most - 1 : 0;
    bool fits = sum >= least && sum <= most;
    if (!fits && operation->overflow == FAIL)
        return false;
    if (fits || operation->overflow == WRAP)
        *value = number_of((uint64_t)sum, operation);
    else
        *value = (int64_t)(sum < least ? least : most);
    return true;
}

/* The string with room for so many bits; NULL: there is no memory, and that was replied. */
static char *open_string(weft_redis_request *request, struct kv *kv, int64_t bits)
{
    char *data;
    size_t size = (size_t)(bits + 7) / 8;
    if (keyspace_open(&kv->keyspace, request->args[1], size, kv_now(kv, request), &data) == 0)
        return data;
    kv_reply_no_memory(request);
    return NULL;
}

static int64_t read_field(weft_redis_request *request, struct kv *kv,
                          const struct operation *operation)
{
    char space[STRING_SPACE];
    const struct entry *entry = keyspace_find(&kv->keyspace, request->args[1], kv_now(kv, request));
    weft_slice bytes = entry ? string_get(entry, space) : (weft_slice){ "", 0 };
    return number_of(load(bytes, operation), operation);
}

static int perform(weft_redis_request *request, struct kv *kv, const struct operation *operation)
{
    int64_t before = read_field(request, kv, operation), value;
    if (operation->action == GET)
        return weft_redis_reply_integer(request, before);
    bool is_positive = operation->action == SET && !operation->is_signed;
    __int128 sum = operation->value;
    if (is_positive) /* what is below zero is a large number, as the original has it */
        sum = (uint64_t)operation->value;
    if (operation->action == INCRBY)
        sum += before;
    if (!fit(operation, sum, &value))
        return weft_redis_reply_null(request);
    char *data = open_string(request, kv, operation->offset + operation->width);
    if (!data)
        return 0;
    store(data, operation, (uint64_t)value);
    return weft_redis_reply_integer(request, operation->action == SET ? before : value);
}

/* All are read before any is done: how many, and the bits that those which write need. */
static int count_operations(weft_redis_request *request, bool only_reads, int64_t *bits)
{
    struct operation operation = { .overflow = WRAP };
    int count = 0;
    *bits = 0;
    for (size_t i = 2; i < request->count;) {
        int is_one = read_operation(request, &i, &operation);
        if (is_one < 0)
            return is_one;
        int64_t end = operation.offset + operation.width;
        if (is_one && operation.action != GET && end > *bits)
            *bits = end;
        if (is_one && only_reads && operation.action != GET) {
            weft_redis_reply_error(request, "ERR BITFIELD_RO only supports the GET subcommand");
            return -EINVAL;
        }
        count += is_one;
    }
    return count;
}

static int bitfield_of(weft_redis_request *request, struct kv *kv, bool only_reads)
{
    struct operation operation = { .overflow = WRAP };
    struct entry *entry;
    int64_t bits;
    int count = count_operations(request, only_reads, &bits);
    if (count < 0 || kv_find(kv, request, request->args[1], ENTRY_STRING, &entry) < 0 ||
        (bits > 0 && !open_string(request, kv, bits)))
        return 0;
    weft_redis_reply_array(request, (size_t)count);
    for (size_t i = 2; i < request->count;)
        if (read_operation(request, &i, &operation) > 0)
            perform(request, kv, &operation);
    return 0;
}

static int bitfield(weft_redis_request *request, void *app)
{
    return bitfield_of(request, app, false);
}

static int bitfield_ro(weft_redis_request *request, void *app)
{
    return bitfield_of(request, app, true);
}

const weft_redis_command kv_bitfield_commands[] = {
    { "bitfield", bitfield, .arity = -2, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1,
      .group = "bitmap", .summary = "Reads, sets and adds to numbers of some bits" },
    { "bitfield_ro", bitfield_ro, .arity = -2, .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST,
      .first_key = 1, .last_key = 1, .group = "bitmap", .summary = "Reads numbers of some bits" },
    { 0 },
};
