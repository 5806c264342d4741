#ifndef KV_LIST_ENDS_H
#define KV_LIST_ENDS_H

/* Taking elements from the ends of lists: what commands of one list (lists.c) share with those
 * of several, and with those that wait (list_moves.c).
 *
 * A command that is called again, because a key it waits for was touched, takes what is of another
 * type for what is not there. */

#include "weft-kv/kv.h"

/* From where a command takes how many, and how it replies them. */
struct ends_pop {
    size_t first, keys; /* arguments */
    uint64_t count;
    bool left;
    bool single; /* "key, element", not "key, [element, ...]" */
};

/* LEFT or RIGHT; else false, and that was replied. */
bool ends_read(weft_redis_request *request, weft_slice word, bool *left);

/* An integer of 1 or more; else false, and "ERR <what> should be greater than 0" was replied. */
bool ends_read_above_0(weft_redis_request *request, weft_slice text, const char *what,
                       int64_t *value);

/* "numkeys key [key ...] LEFT|RIGHT [COUNT count]" from this index on. */
bool ends_read_pop(weft_redis_request *request, size_t index, struct ends_pop *pop);

/* Reply the `count` elements at an end, from it inwards, without a head. There are so many. */
int ends_reply(weft_redis_request *request, const struct entry *entry, bool left, uint64_t count);

/* Take them out. */
void ends_drop(struct kv *kv, struct entry *entry, bool left, uint64_t count);

/* Of the first key that has any. 1: replied; 0: none has; -EINVAL: one is of another type, which
 * was replied. */
int ends_pop_first(struct kv *kv, weft_redis_request *request, const struct ends_pop *pop);

/* Move the element at one end of a list to an end of another, or of the same. 1: replied, be it
 * with an error; 0: there is none to move. */
struct ends_move {
    weft_slice from, to;
    bool from_left, to_left;
};
int ends_move(struct kv *kv, weft_redis_request *request, const struct ends_move *move);

#endif
