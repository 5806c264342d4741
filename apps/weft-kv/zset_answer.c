/* Members and scores in replies: see zset_answer.h. */

#include "weft-kv/zset_answer.h"

int zset_reply_head(weft_redis_request *request, uint64_t count, bool with_scores)
{
    return weft_redis_reply_array(request,
                                  with_scores && request->version == 2 ? 2 * count : count);
}

int zset_reply_pair(weft_redis_request *request, const struct pack_item *member, double score,
                    bool with_scores)
{
    if (!with_scores)
        return kv_reply_item(request, member);
    if (request->version != 2)
        return zset_reply_nested(request, member, score);
    int err = kv_reply_item(request, member);
    return err < 0 ? err : weft_redis_reply_double(request, score);
}

int zset_reply_nested(weft_redis_request *request, const struct pack_item *member, double score)
{
    weft_redis_reply_array(request, 2);
    int err = kv_reply_item(request, member);
    return err < 0 ? err : weft_redis_reply_double(request, score);
}

int zset_each(const struct entry *entry, const struct zset_span *span, zset_take *take, void *arg)
{
    struct zset_cursor cursor;
    uint64_t left = span->count;
    uint64_t from = span->reverse ? span->first + span->count - 1 : span->first;
    bool there = left > 0 && zset_seek(entry, from, &cursor);
    int err = 0;
    while (err == 0 && there) {
        double score;
        struct pack_item member = zset_read(entry, &cursor, &score);
        err = take(arg, &member, score);
        there = --left > 0 && (span->reverse ? zset_previous : zset_next)(entry, &cursor);
    }
    return err;
}

struct replying {
    weft_redis_request *request;
    bool with_scores;
};

static int take_to_reply(void *arg, const struct pack_item *member, double score)
{
    const struct replying *replying = arg;
    return zset_reply_pair(replying->request, member, score, replying->with_scores);
}

int zset_reply_span(weft_redis_request *request, const struct entry *entry,
                    const struct zset_span *span, bool with_scores)
{
    struct replying replying = { request, with_scores };
    int err = zset_reply_head(request, span->count, with_scores);
    return err < 0 ? err : zset_each(entry, span, take_to_reply, &replying);
}
