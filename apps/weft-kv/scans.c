/* Going through one collection, part by part: see scans.h. */

#include "weft-kv/scans.h"

bool scans_wants(struct scanning *scanning, const struct pack_item *member)
{
    char space[PACK_TEXT_MAX];
    weft_slice pattern = scanning->options.pattern;
    scanning->seen++;
    return !pattern.data || weft_redis_match(pattern, pack_text(member, space));
}

/* Until so many were seen, or so many parts, which may have no member. */
static uint64_t scan(const struct entry *entry, struct scanning *scanning, scan_part *part)
{
    uint64_t cursor = scanning->options.cursor, left = scanning->options.steps;
    do
        cursor = part(entry, cursor, scanning);
    while (cursor != 0 && scanning->seen < scanning->options.steps && --left > 0);
    return cursor;
}

int scans_reply(struct kv *kv, weft_redis_request *request, enum entry_type type, scan_part *part)
{
    struct scanning scanning = { .request = request };
    struct entry *entry;
    if (kv_find_to_scan(kv, request, type, &scanning.options, &entry) < 0)
        return 0;
    if (scanning.options.no_values && type != ENTRY_HASH)
        return kv_reply_syntax(request);
    weft_redis_mark mark = weft_redis_reply_defer(request);
    uint64_t cursor = scan(entry, &scanning, part);
    return weft_redis_reply_scan_deferred(request, mark, cursor, scanning.replied);
}
