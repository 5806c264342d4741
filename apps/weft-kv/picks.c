/* Members at random: see picks.h.
 *
 *      no count       one
 *      count < 0      so many, drawn one by one: the same may come again
 *      count >= 0     so many different ones, at most all
 *          few of many    drawn until there are enough; they are kept in a set meanwhile
 *          many of few    chosen in one walk: each with the chance (still wanted / still to come)
 *
 * Either way each choice has the same chance, and it takes no longer than the choice or the
 * collection is long. */

#include "weft-kv/picks.h"

#include "weft-kv/result.h"

#define REPEATS_MAX (1 << 24) /* members that one command may ask for again and again */

struct picking {
    struct kv *kv;
    weft_redis_request *request;
    const struct pick_kind *kind;
    const struct entry *entry;
    int64_t count;
    bool counted, pairs;
};

/* --- replying: pairs are flat in version 2, nested in version 3 --- */

static int reply_head(const struct picking *picking, uint64_t count)
{
    bool flat = picking->pairs && picking->request->version == 2;
    return weft_redis_reply_array(picking->request, flat ? 2 * count : count);
}

static int reply_pick(const struct picking *picking, const struct pick *pick)
{
    weft_redis_request *request = picking->request;
    int err = 0;
    if (picking->pairs && request->version != 2)
        err = weft_redis_reply_array(request, 2);
    if (err == 0)
        err = kv_reply_item(request, &pick->member);
    return err < 0 || !picking->pairs ? err : picking->kind->reply_beside(request, pick);
}

static int reply_one(const struct picking *picking)
{
    struct pick pick;
    picking->kind->draw(picking->entry, &picking->kv->keyspace.random, &pick);
    return reply_pick(picking, &pick);
}

static int reply_repeated(const struct picking *picking, uint64_t count)
{
    int err = reply_head(picking, count);
    while (err == 0 && count-- > 0)
        err = reply_one(picking);
    return err;
}

/* --- many of few --- */

struct choosing {
    const struct picking *picking;
    uint64_t wanted, left;
};

static int choose(void *arg, const struct pick *pick)
{
    struct choosing *choosing = arg;
    struct wf_random *random = &choosing->picking->kv->keyspace.random;
    if (wf_random_below(random, choosing->left--) >= choosing->wanted)
        return 0;
    choosing->wanted--;
    return reply_pick(choosing->picking, pick);
}

static int reply_chosen(const struct picking *picking, uint64_t count)
{
    struct choosing choosing = { picking, count, entry_count(picking->entry) };
    int err = reply_head(picking, count);
    return err < 0 ? err : picking->kind->each(picking->entry, choose, &choosing);
}

/* --- few of many --- */

static int draw(const struct picking *picking, uint64_t count, struct entry *drawn)
{
    struct keyspace *keyspace = &picking->kv->keyspace;
    int err = 0;
    while (err >= 0 && set_count(drawn) < count) {
        struct pick pick;
        char space[PACK_TEXT_MAX];
        picking->kind->draw(picking->entry, &keyspace->random, &pick);
        err = set_add(drawn, pack_text(&pick.member, space), &keyspace->limits);
    }
    return err < 0 ? err : 0;
}

static int reply_found(const struct picking *picking, const struct entry *drawn)
{
    struct set_iterator iterator;
    struct pick pick;
    int err = reply_head(picking, set_count(drawn));
    set_iterate_begin(&iterator, drawn);
    while (err == 0 && set_iterate_next(&iterator, &pick.member)) {
        char space[PACK_TEXT_MAX];
        if (picking->pairs)
            picking->kind->find(picking->entry, pack_text(&pick.member, space), &pick);
        err = reply_pick(picking, &pick);
    }
    set_iterate_end(&iterator);
    return err;
}

static int reply_drawn(const struct picking *picking, uint64_t count)
{
    struct entry *drawn = result_create(ENTRY_SET, (weft_slice){ NULL, 0 });
    int err;
    if (!drawn || draw(picking, count, drawn) < 0)
        err = kv_reply_no_memory(picking->request);
    else
        err = reply_found(picking, drawn);
    entry_free(drawn);
    return err;
}

static int reply_different(const struct picking *picking, uint64_t count)
{
    uint64_t all = entry_count(picking->entry);
    if (count > all)
        count = all;
    bool few = picking->entry->form == ENTRY_LARGE && count < all / 3;
    return few ? reply_drawn(picking, count) : reply_chosen(picking, count);
}

/* --- the command --- */

/* Who has no word looks at the number of arguments first, the others at the count. */
static bool read_picking(struct picking *picking)
{
    weft_redis_request *request = picking->request;
    const char *word = picking->kind->word;
    bool good = word || request->count <= 3;
    picking->counted = request->count > 2;
    picking->pairs = request->count > 3;
    if (good && picking->counted &&
        !kv_read_integer_within(request, request->args[2], -REPEATS_MAX, INT64_MAX,
                                &picking->count))
        return false;
    if (good && picking->pairs)
        good = request->count == 4 && weft_redis_is(request->args[3], word);
    if (!good)
        kv_reply_syntax(request);
    else if (picking->pairs && picking->count > INT64_MAX / 2) {
        weft_redis_reply_error(request, "ERR value is out of range");
        return false;
    }
    return good;
}

int picks_reply(struct kv *kv, weft_redis_request *request, const struct pick_kind *kind)
{
    struct picking picking = { .kv = kv, .request = request, .kind = kind };
    struct entry *entry;
    if (!read_picking(&picking))
        return 0;
    int found = kv_find(kv, request, request->args[1], kind->type, &entry);
    if (found < 0)
        return 0;
    if (!found)
        return picking.counted ? weft_redis_reply_array(request, 0)
                               : weft_redis_reply_null(request);
    picking.entry = entry;
    if (!picking.counted)
        return reply_one(&picking);
    return picking.count < 0 ? reply_repeated(&picking, (uint64_t)-picking.count)
                             : reply_different(&picking, (uint64_t)picking.count);
}
