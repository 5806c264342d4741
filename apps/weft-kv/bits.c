/* Strings as bits, the first of which is the highest of the first byte; fields of bits as numbers:
 * bitfield.c. */

#include "kv.h"

#include <weft/memory.h>

#include <errno.h>
#include <string.h>

#define BIT_MAX ((int64_t)KV_STRING_MAX * 8)

bool kv_read_bit_offset(weft_redis_request *request, weft_slice text, int64_t unit, int64_t width,
                        int64_t *offset)
{
    bool is_counted = unit > 1 && text.size > 0 && text.data[0] == '#';
    weft_slice digits = { text.data + is_counted, text.size - is_counted };
    int64_t value;
    if (kv_parse_integer(digits, &value) && value >= 0 &&
        !__builtin_mul_overflow(value, is_counted ? unit : 1, &value) && value <= BIT_MAX - width) {
        *offset = value;
        return true;
    }
    weft_redis_reply_error(request, "ERR bit offset is not an integer or out of range");
    return false;
}

/* The bytes of a string, .data NULL where there is none; false: it is of another type. */
static bool get_bytes(weft_redis_request *request, struct kv *kv, weft_slice key,
                      char space[STRING_SPACE], weft_slice *bytes)
{
    struct entry *entry;
    int found = kv_find(kv, request, key, ENTRY_STRING, &entry);
    *bytes = found > 0 ? string_get(entry, space) : (weft_slice){ NULL, 0 };
    return found >= 0;
}

static int get_bit(weft_redis_request *request, void *app)
{
    char space[STRING_SPACE];
    weft_slice bytes;
    int64_t offset;
    if (!kv_read_bit_offset(request, request->args[2], 1, 1, &offset) ||
        !get_bytes(request, app, request->args[1], space, &bytes))
        return 0;
    size_t at = (size_t)offset / 8;
    int bit = at < bytes.size ? (unsigned char)bytes.data[at] >> (7 - offset % 8) & 1 : 0;
    return weft_redis_reply_integer(request, bit);
}

static int set_bit(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    struct entry *entry;
    int64_t offset;
    char *data;
    if (!kv_read_bit_offset(request, request->args[2], 1, 1, &offset))
        return 0;
    weft_slice value = request->args[3];
    if (value.size != 1 || (value.data[0] != '0' && value.data[0] != '1'))
        return weft_redis_reply_error(request, "ERR bit is not an integer or out of range");
    if (kv_find(kv, request, request->args[1], ENTRY_STRING, &entry) < 0)
        return 0;
    size_t at = (size_t)offset / 8;
    if (keyspace_open(&kv->keyspace, request->args[1], at + 1, kv_now(kv, request), &data) < 0)
        return kv_reply_no_memory(request);
    unsigned char mask = (unsigned char)(0x80 >> offset % 8), byte = (unsigned char)data[at];
    data[at] = (char)(value.data[0] == '1' ? byte | mask : byte & ~mask);
    return weft_redis_reply_integer(request, (byte & mask) != 0);
}

/* --- ranges: [first last [BYTE|BIT]], as bits --- */

/* Where the range stands among the arguments. */
#define COUNT_RANGE    2
#define POSITION_RANGE 3

struct range {
    int64_t first, last; /* bits, both of them in it */
    bool has_end;        /* a last one was said */
};

/* False: it was replied that it is none; or, with is_empty, nothing is in it. One that is backwards
 * from the end is empty for BITCOUNT, and for BITPOS what is left of it in the string. */
static bool read_range(weft_redis_request *request, size_t index, size_t size, struct range *range,
                       bool *is_empty)
{
    int64_t first = 0, last = -1, unit = 8;
    size_t count = request->count - index;
    *is_empty = false;
    range->has_end = count >= 2;
    if (count >= 3) {
        bool by_bit = weft_redis_is(request->args[index + 2], "bit");
        if (count > 3 || (!by_bit && !weft_redis_is(request->args[index + 2], "byte"))) {
            kv_reply_syntax(request);
            return false;
        }
        unit = by_bit ? 1 : 8;
    }
    if ((count >= 1 && !kv_read_integer(request, request->args[index], &first)) ||
        (count >= 2 && !kv_read_integer(request, request->args[index + 1], &last)))
        return false;
    bool is_backwards = index == COUNT_RANGE && first < 0 && last < 0 && first > last;
    *is_empty = is_backwards || !kv_cut_string_range(&first, &last, size * 8 / (uint64_t)unit);
    range->first = first * unit;
    range->last = last * unit + unit - 1;
    return true;
}

static unsigned byte_between(weft_slice bytes, int64_t at, const struct range *range)
{
    unsigned byte = (unsigned char)bytes.data[at];
    if (at == range->first / 8)
        byte &= 0xffu >> range->first % 8;
    if (at == range->last / 8)
        byte &= 0xffu << (7 - range->last % 8);
    return byte & 0xff;
}

static int64_t count_bits(weft_slice bytes, const struct range *range)
{
    int64_t count = 0, at = range->first / 8, last = range->last / 8;
    for (; at <= last && (at == range->first / 8 || at % 8 != 0); at++)
        count += __builtin_popcount(byte_between(bytes, at, range));
    for (; at + 8 <= last; at += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + at, sizeof word);
        count += __builtin_popcountll(word);
    }
    for (; at <= last; at++)
        count += __builtin_popcount(byte_between(bytes, at, range));
    return count;
}

static int bit_count(weft_redis_request *request, void *app)
{
    char space[STRING_SPACE];
    weft_slice bytes;
    struct range range;
    bool is_empty;
    if (request->count == 3)
        return kv_reply_syntax(request);
    if (!get_bytes(request, app, request->args[1], space, &bytes) ||
        !read_range(request, COUNT_RANGE, bytes.size, &range, &is_empty))
        return 0;
    return weft_redis_reply_integer(request, is_empty ? 0 : count_bits(bytes, &range));
}

static int64_t find_bit(weft_slice bytes, unsigned bit, const struct range *range)
{
    unsigned skip = bit ? 0x00 : 0xff;
    for (int64_t at = range->first / 8; at <= range->last / 8; at++) {
        unsigned byte = (unsigned char)bytes.data[at];
        if (byte == skip)
            continue;
        for (int64_t i = at * 8; i < at * 8 + 8; i++)
            if (i >= range->first && i <= range->last && (byte >> (7 - i % 8) & 1) == bit)
                return i;
    }
    return -1;
}

/* Zeros follow a string for ever, unless an end was said. */
static int bit_position(weft_redis_request *request, void *app)
{
    char space[STRING_SPACE];
    weft_slice bytes, bit = request->args[2];
    struct range range;
    bool is_empty;
    if (bit.size != 1 || (bit.data[0] != '0' && bit.data[0] != '1'))
        return weft_redis_reply_error(request, "ERR The bit argument must be 1 or 0.");
    bool is_one = bit.data[0] == '1';
    if (!get_bytes(request, app, request->args[1], space, &bytes) ||
        !read_range(request, POSITION_RANGE, bytes.size, &range, &is_empty))
        return 0;
    if (!bytes.data)
        return weft_redis_reply_integer(request, is_one ? -1 : 0);
    if (is_empty)
        return weft_redis_reply_integer(request, -1);
    int64_t found = find_bit(bytes, is_one, &range);
    if (found < 0 && !is_one && !range.has_end)
        found = (int64_t)bytes.size * 8;
    return weft_redis_reply_integer(request, found);
}

/* --- BITOP operation destination key [key ...] --- */

enum operation { AND, OR, XOR, NOT };

static bool read_operation(weft_redis_request *request, enum operation *operation)
{
    static const char *const names[] = { "and", "or", "xor", "not" };
    for (size_t i = 0; i < 4; i++) {
        if (!weft_redis_is(request->args[1], names[i]))
            continue;
        *operation = (enum operation)i;
        if (i != NOT || request->count == 4)
            return true;
        weft_redis_reply_error(request, "ERR BITOP NOT must be called with a single source key.");
        return false;
    }
    kv_reply_syntax(request);
    return false;
}

/* The next string is combined with what there is of the result; one that is shorter has zeros. */
static void combine(char *result, size_t size, weft_slice bytes, enum operation operation,
                    bool is_first)
{
    for (size_t i = 0; i < size; i++) {
        char byte = i < bytes.size ? bytes.data[i] : 0;
        if (is_first)
            result[i] = operation == NOT ? (char)~byte : byte;
        else if (operation == AND)
            result[i] &= byte;
        else if (operation == OR)
            result[i] |= byte;
        else
            result[i] ^= byte;
    }
}

/* The size of the longest; false: one is no string. */
static bool measure(weft_redis_request *request, struct kv *kv, size_t *size)
{
    *size = 0;
    for (size_t i = 3; i < request->count; i++) {
        char space[STRING_SPACE];
        weft_slice bytes;
        if (!get_bytes(request, kv, request->args[i], space, &bytes))
            return false;
        *size = bytes.size > *size ? bytes.size : *size;
    }
    return true;
}

static int store(weft_redis_request *request, struct kv *kv, weft_slice result)
{
    int64_t now = kv_now(kv, request);
    if (result.size == 0)
        keyspace_delete(&kv->keyspace, request->args[2], now);
    else if (keyspace_set(&kv->keyspace, request->args[2], result, KEYSPACE_NEVER, now) < 0)
        return kv_reply_no_memory(request);
    return weft_redis_reply_integer(request, (int64_t)result.size);
}

static int bit_operation(weft_redis_request *request, void *app)
{
    struct kv *kv = app;
    enum operation operation;
    size_t size;
    if (!read_operation(request, &operation) || !measure(request, kv, &size))
        return 0;
    char *result = weft_alloc(size);
    if (!result)
        return kv_reply_no_memory(request);
    for (size_t i = 3; i < request->count; i++) {
        char space[STRING_SPACE];
        weft_slice bytes;
        get_bytes(request, kv, request->args[i], space, &bytes);
        combine(result, size, bytes, operation, i == 3);
    }
    int err = store(request, kv, (weft_slice){ result, size });
    weft_free(result);
    return err;
}

#define BITS .group = "bitmap"

const weft_redis_command kv_bit_commands[] = {
    { "getbit", get_bit, .arity = 3, .flags = WEFT_REDIS_READ | WEFT_REDIS_FAST, .first_key = 1,
      .last_key = 1, BITS, .summary = "Gets a bit" },
    { "setbit", set_bit, .arity = 4, .flags = WEFT_REDIS_WRITE, .first_key = 1, .last_key = 1, BITS,
      .summary = "Sets a bit, and says what it was" },
    { "bitcount", bit_count, .arity = -2, .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1,
      BITS, .summary = "Counts the bits that are set" },
    { "bitpos", bit_position, .arity = -3, .flags = WEFT_REDIS_READ, .first_key = 1, .last_key = 1,
      BITS, .summary = "Finds the first bit that is set, or is not" },
    { "bitop", bit_operation, .arity = -4, .flags = WEFT_REDIS_WRITE, .first_key = 2,
      .last_key = -1, BITS, .summary = "Combines strings bit by bit" },
    { 0 },
};
