/* Task-local values: shared blocks that never change. The model is in local.h. */

#include "core/local.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/loop.h"

struct owner {
    uint32_t references; /* blocks that hold the value */
    weft_drop_fn *drop;
};

struct local {
    const weft_local *key;
    void *value;
    struct owner *owner; /* NULL: the value is nobody's to free */
};

struct wf_locals {
    uint32_t references; /* tasks, callbacks that wait, the root */
    uint32_t count;
    struct local list[];
};

/* Of a blocking job; see wf_locals_lend(). */
static _Thread_local const struct wf_locals *lent;

void wf_locals_lend(const struct wf_locals *locals)
{
    lent = locals;
}

/* Blocks. */

static void release_local(const struct local *local)
{
    struct owner *owner = local->owner;
    if (!owner || --owner->references > 0)
        return;
    weft_drop_fn *drop = owner->drop;
    wf_free(owner);
    wf_drop(wf_running, drop, local->value);
}

void wf_locals_release(struct wf_locals *locals)
{
    if (!locals || --locals->references > 0)
        return;
    for (uint32_t i = 0; i < locals->count; i++)
        release_local(&locals->list[i]);
    wf_free(locals);
}

struct wf_locals *wf_locals_retain(struct wf_locals *locals)
{
    if (locals)
        locals->references++;
    return locals;
}

struct wf_locals *wf_locals_enter(weft_loop *loop, struct wf_locals *locals)
{
    struct wf_locals *around = loop->root.locals;
    loop->root.locals = locals;
    return around;
}

void wf_locals_leave(weft_loop *loop, struct wf_locals *around)
{
    struct wf_locals *locals = loop->root.locals;
    loop->root.locals = around;
    wf_locals_release(locals);
}

static const struct local *find(const struct wf_locals *locals, const weft_local *key)
{
    for (uint32_t i = 0; locals && i < locals->count; i++)
        if (locals->list[i].key == key)
            return &locals->list[i];
    return NULL;
}

/* A block with what `old` holds but for `local`'s key, and with `local`. NULL: no memory. */
static struct wf_locals *changed(const struct wf_locals *old, const struct local *local)
{
    uint32_t room = (old ? old->count : 0) + 1;
    struct wf_locals *block = wf_alloc(sizeof *block + room * sizeof block->list[0]);
    if (!block)
        return NULL;
    block->references = 1;
    block->count = 0;
    for (uint32_t i = 0; i + 1 < room; i++) {
        if (old->list[i].key == local->key)
            continue;
        block->list[block->count++] = old->list[i];
        if (old->list[i].owner)
            old->list[i].owner->references++;
    }
    if (local->value)
        block->list[block->count++] = *local;
    return block;
}

/* What was there goes last: its drop is users' code, and may set values again. */
static int set(weft_loop *loop, const struct local *local)
{
    struct wf_locals **holder = &loop->current->locals, *old = *holder;
    if (!local->value && !find(old, local->key))
        return 0;
    struct wf_locals *block = changed(old, local);
    if (!block)
        return wf_fail(-ENOMEM, "no memory for the task-local value '%s'", local->key->name);
    *holder = block;
    wf_locals_release(old);
    return 0;
}

static int set_owned(weft_loop *loop, const weft_local *key, void *value, weft_drop_fn *drop)
{
    struct owner *owner = wf_alloc(sizeof *owner);
    if (!owner)
        return wf_fail(-ENOMEM, "no memory for the task-local value '%s'", key->name);
    *owner = (struct owner){ .references = 1, .drop = drop };
    int err = set(loop, &(struct local){ key, value, owner });
    if (err < 0)
        wf_free(owner);
    return err;
}

int weft_local_set_owned(const weft_local *key, void *value, weft_drop_fn *drop)
{
    weft_loop *loop = weft_loop_current();
    int err;
    if (!loop)
        err = wf_misuse(-EPERM, "the task-local value '%s' was set where there is no loop",
                        key->name);
    else if (value && drop)
        err = set_owned(loop, key, value, drop);
    else
        err = set(loop, &(struct local){ key, value, NULL });
    if (err < 0 && value && drop)
        wf_drop(wf_running, drop, value);
    return err;
}

int weft_local_set(const weft_local *key, void *value)
{
    return weft_local_set_owned(key, value, NULL);
}

void *weft_local_get(const weft_local *key)
{
    const weft_loop *loop = weft_loop_current();
    const struct local *local = find(loop ? loop->current->locals : lent, key);
    return local ? local->value : NULL;
}
