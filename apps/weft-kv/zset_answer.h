#ifndef KV_ZSET_ANSWER_H
#define KV_ZSET_ANSWER_H

/* How members and scores are replied: in version 2 by turns in one array, in version 3 each pair in
 * an array of its own. */

#include "weft-kv/kv.h"

/* Members by rank; `reverse`: the last one comes first. All of them are there. */
struct zset_span {
    uint64_t first, count;
    bool reverse;
};

/* The head of an array of so many members; of pairs `with_scores`. */
int zset_reply_head(weft_redis_request *request, uint64_t count, bool with_scores);

/* One of them. */
int zset_reply_pair(weft_redis_request *request, const struct pack_item *member, double score,
                    bool with_scores);

/* A pair in an array of its own, whatever the version. */
int zset_reply_nested(weft_redis_request *request, const struct pack_item *member, double score);

/* Go through a span: `take` is called for each member until it returns what is not 0. */
typedef int zset_take(void *arg, const struct pack_item *member, double score);
int zset_each(const struct entry *entry, const struct zset_span *span, zset_take *take, void *arg);

/* A whole array of a span. */
int zset_reply_span(weft_redis_request *request, const struct entry *entry,
                    const struct zset_span *span, bool with_scores);

#endif
