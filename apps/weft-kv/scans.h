#ifndef KV_SCANS_H
#define KV_SCANS_H

/* Going through one collection, part by part: what SSCAN, HSCAN and ZSCAN share. */

#include "weft-kv/kv.h"

struct scanning {
    weft_redis_request *request;
    struct kv_scan options;
    uint64_t seen;    /* members */
    uint64_t replied; /* strings: the visitor counts them */
};

/* Visit the part that begins at this cursor; returns the next one. */
typedef uint64_t scan_part(const struct entry *entry, uint64_t cursor, struct scanning *scanning);

/* The whole command. */
int scans_reply(struct kv *kv, weft_redis_request *request, enum entry_type type, scan_part *part);

/* For visitors: count the member. False: the pattern does not want it. */
bool scans_wants(struct scanning *scanning, const struct pack_item *member);

#endif
