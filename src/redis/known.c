/* Commands, in the order of their names in small letters: found by halves, a few comparisons each.
 */

#include "redis/known.h"

#include "base/compiler.h"

#include <string.h>
#include <strings.h>

#define NAME_SIZE 24 /* more than the longest name has, filled with NULs */

enum entry_nature {
    READS = WF_REDIS_READS,
    BLOCKS = WF_REDIS_BLOCKS,
    REFUSED = WF_REDIS_REFUSED,
    BY_WORD, /* its arguments decide */
};

static const struct entry {
    char name[NAME_SIZE];
    uint8_t nature;
} entries[] = {
    { "AUTH", REFUSED },
    { "BITCOUNT", READS },
    { "BITFIELD_RO", READS },
    { "BITPOS", READS },
    { "BLMOVE", BLOCKS },
    { "BLMPOP", BLOCKS },
    { "BLPOP", BLOCKS },
    { "BRPOP", BLOCKS },
    { "BRPOPLPUSH", BLOCKS },
    { "BZMPOP", BLOCKS },
    { "BZPOPMAX", BLOCKS },
    { "BZPOPMIN", BLOCKS },
    { "CLIENT", BY_WORD },
    { "COMMAND", READS },
    { "DBSIZE", READS },
    { "DISCARD", REFUSED },
    { "DUMP", READS },
    { "ECHO", READS },
    { "EVAL_RO", READS },
    { "EVALSHA_RO", READS },
    { "EXEC", REFUSED },
    { "EXISTS", READS },
    { "EXPIRETIME", READS },
    { "FCALL_RO", READS },
    { "GEODIST", READS },
    { "GEOHASH", READS },
    { "GEOPOS", READS },
    { "GEORADIUS_RO", READS },
    { "GEORADIUSBYMEMBER_RO", READS },
    { "GEOSEARCH", READS },
    { "GET", READS },
    { "GETBIT", READS },
    { "GETRANGE", READS },
    { "HELLO", REFUSED },
    { "HEXISTS", READS },
    { "HEXPIRETIME", READS },
    { "HGET", READS },
    { "HGETALL", READS },
    { "HKEYS", READS },
    { "HLEN", READS },
    { "HMGET", READS },
    { "HPEXPIRETIME", READS },
    { "HPTTL", READS },
    { "HRANDFIELD", READS },
    { "HSCAN", READS },
    { "HSTRLEN", READS },
    { "HTTL", READS },
    { "HVALS", READS },
    { "INFO", READS },
    { "KEYS", READS },
    { "LASTSAVE", READS },
    { "LCS", READS },
    { "LINDEX", READS },
    { "LLEN", READS },
    { "LPOS", READS },
    { "LRANGE", READS },
    { "MGET", READS },
    { "MONITOR", REFUSED },
    { "MULTI", REFUSED },
    { "OBJECT", READS },
    { "PEXPIRETIME", READS },
    { "PFCOUNT", READS },
    { "PING", READS },
    { "PSUBSCRIBE", REFUSED },
    { "PSYNC", REFUSED },
    { "PTTL", READS },
    { "PUBSUB", READS },
    { "PUNSUBSCRIBE", REFUSED },
    { "QUIT", REFUSED },
    { "RANDOMKEY", READS },
    { "REPLCONF", REFUSED },
    { "RESET", REFUSED },
    { "ROLE", READS },
    { "SCAN", READS },
    { "SCARD", READS },
    { "SDIFF", READS },
    { "SELECT", REFUSED },
    { "SINTER", READS },
    { "SINTERCARD", READS },
    { "SISMEMBER", READS },
    { "SMEMBERS", READS },
    { "SMISMEMBER", READS },
    { "SORT_RO", READS },
    { "SRANDMEMBER", READS },
    { "SSCAN", READS },
    { "SSUBSCRIBE", REFUSED },
    { "STRLEN", READS },
    { "SUBSCRIBE", REFUSED },
    { "SUBSTR", READS },
    { "SUNION", READS },
    { "SUNSUBSCRIBE", REFUSED },
    { "SYNC", REFUSED },
    { "TIME", READS },
    { "TTL", READS },
    { "TYPE", READS },
    { "UNSUBSCRIBE", REFUSED },
    { "UNWATCH", REFUSED },
    { "WAIT", BLOCKS },
    { "WAITAOF", BLOCKS },
    { "WATCH", REFUSED },
    { "XINFO", READS },
    { "XLEN", READS },
    { "XPENDING", READS },
    { "XRANGE", READS },
    { "XREAD", BY_WORD },
    { "XREADGROUP", BY_WORD },
    { "XREVRANGE", READS },
    { "ZCARD", READS },
    { "ZCOUNT", READS },
    { "ZDIFF", READS },
    { "ZINTER", READS },
    { "ZINTERCARD", READS },
    { "ZLEXCOUNT", READS },
    { "ZMSCORE", READS },
    { "ZRANDMEMBER", READS },
    { "ZRANGE", READS },
    { "ZRANGEBYLEX", READS },
    { "ZRANGEBYSCORE", READS },
    { "ZRANK", READS },
    { "ZREVRANGE", READS },
    { "ZREVRANGEBYLEX", READS },
    { "ZREVRANGEBYSCORE", READS },
    { "ZREVRANK", READS },
    { "ZSCAN", READS },
    { "ZSCORE", READS },
    { "ZUNION", READS },
};

/* As strcasecmp(), of a name that has a NUL behind it and one that has not. */
static int compare(const weft_slice *word, const char *name)
{
    int order = strncasecmp(word->data, name, word->size);
    return order != 0 ? order : name[word->size] == '\0' ? 0 : -1;
}

static bool is_word(const weft_slice *word, const char *name)
{
    return word->size == strlen(name) && strncasecmp(word->data, name, word->size) == 0;
}

static const struct entry *find(const weft_slice *word)
{
    size_t from = 0, to = WF_ARRAY_SIZE(entries);
    if (word->size >= NAME_SIZE)
        return NULL;
    while (from < to) {
        size_t middle = (from + to) / 2;
        int order = compare(word, entries[middle].name);
        if (order == 0)
            return &entries[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

/* BLOCK stands before the keys, which may be called so. */
static bool has_block(const weft_slice *args, size_t count)
{
    for (size_t i = 1; i < count && !is_word(&args[i], "STREAMS"); i++)
        if (is_word(&args[i], "BLOCK"))
            return true;
    return false;
}

static enum wf_redis_nature by_word(const weft_slice *args, size_t count)
{
    if (is_word(&args[0], "CLIENT"))
        return count > 1 && is_word(&args[1], "REPLY") ? WF_REDIS_REFUSED : WF_REDIS_PLAIN;
    bool reads = is_word(&args[0], "XREAD");
    if (has_block(args, count))
        return reads ? WF_REDIS_BLOCKING_READ : WF_REDIS_BLOCKS;
    return reads ? WF_REDIS_READS : WF_REDIS_PLAIN;
}

enum wf_redis_nature wf_redis_known(const weft_slice *args, size_t count)
{
    const struct entry *entry = find(&args[0]);
    if (!entry)
        return WF_REDIS_PLAIN;
    return entry->nature == BY_WORD ? by_word(args, count) : (enum wf_redis_nature)entry->nature;
}
