/* Tokens: a tree of flags, each with a line of who waits for it and a list of scopes.
 *
 *     root ──children──> token ──children──> …         parent is the way back
 *                          ├──line──> waiters
 *                          └──scopes──> struct wf_scope.token, in the frames that have begun them
 *
 * A cancel walks the tree below a token once, depth first and without recursion: it may be as deep
 * as the user's program. Below a token that is cancelled already all are.
 *
 *   - nobody stands in the line of a cancelled token, and no scope is in its list
 *   - all tokens of a tree belong to one thread
 *   - zeroed memory is a token: its lists are made when they are first used */

#include "base/error.h"
#include "core/scope.h"
#include "sync/objects.h"

#include <stdio.h>
#include <weft/error.h>
#include <weft/token.h>

struct token {
    struct wf_object object;
    struct token *parent;    /* NULL: none */
    struct wf_list sibling;  /* in the parent's children */
    struct wf_list children; /* next NULL: never used */
    struct wf_list scopes;   /* likewise */
    const char *why;
    bool cancelled;
};

_Static_assert(sizeof(struct token) <= sizeof(weft_token), "weft_token is too small");

static struct token *inside(const weft_token *token)
{
    return (struct token *)(uintptr_t)token;
}

static struct token *of_sibling(struct wf_list *link)
{
    return wf_container(link, struct token, sibling);
}

/* Lists that zeroed memory has too. */

static void push(struct wf_list *list, struct wf_list *link)
{
    if (!list->next)
        wf_list_init(list);
    wf_list_push_back(list, link);
}

static struct wf_list *first(const struct wf_list *list)
{
    return list->next ? wf_list_first(list) : NULL;
}

static size_t count(const struct wf_list *list)
{
    size_t number = 0;
    for (struct wf_list *link = first(list); link && link != list; link = link->next)
        number++;
    return number;
}

/* Birth and death. */

static int check(struct token *token)
{
    return wf_bound_check(&token->object.bound, "token");
}

int weft_token_init_at(weft_token *opaque, weft_token *opaque_parent, const char *site)
{
    struct token *token = inside(opaque), *parent = inside(opaque_parent);
    *token = (struct token){ .parent = NULL };
    wf_bound_init(&token->object.bound, site);
    if (!parent)
        return 0;
    int err = check(parent);
    if (err < 0)
        return err;
    token->object.bound.thread = parent->object.bound.thread;
    token->parent = parent;
    token->cancelled = parent->cancelled;
    token->why = parent->why;
    push(&parent->children, &token->sibling);
    return 0;
}

void weft_token_fini(weft_token *opaque)
{
    struct token *token = inside(opaque);
    struct wf_list *link;
    if (!token)
        return;
    if (!wf_line_is_empty(&token->object.line))
        wf_bound_in_use(&token->object.bound, "token", token->object.line.length);
    while ((link = first(&token->scopes)))
        wf_list_remove(link);
    while ((link = first(&token->children))) {
        wf_list_remove(link);
        of_sibling(link)->parent = NULL;
    }
    if (token->parent)
        wf_list_remove(&token->sibling);
    token->parent = NULL;
}

/* Cancelling. */

static struct token *next_below(const struct token *root, struct token *token, bool descend)
{
    struct wf_list *child = descend ? first(&token->children) : NULL;
    if (child)
        return of_sibling(child);
    while (token != root) {
        if (token->sibling.next != &token->parent->children)
            return of_sibling(token->sibling.next);
        token = token->parent;
    }
    return NULL;
}

static void cancel_one(struct token *token, const char *why)
{
    struct wf_list *link;
    token->cancelled = true;
    token->why = why;
    wf_line_wake_all(&token->object.line, 0);
    while ((link = first(&token->scopes))) {
        wf_list_remove(link);
        weft_scope_cancel((weft_scope *)wf_container(link, struct wf_scope, token), why);
    }
}

void weft_token_cancel(weft_token *opaque, const char *why)
{
    struct token *root = inside(opaque), *token = root;
    if (root->cancelled || check(root) < 0)
        return;
    while (token) {
        bool fresh = !token->cancelled;
        if (fresh)
            cancel_one(token, why);
        token = next_below(root, token, fresh);
    }
}

bool weft_token_is_cancelled(const weft_token *token)
{
    return inside(token)->cancelled;
}

const char *weft_token_why(const weft_token *opaque)
{
    const struct token *token = inside(opaque);
    if (!token->cancelled)
        return NULL;
    return token->why ? token->why : "no reason given";
}

/* Scopes. */

static int check_scope(const struct token *token, const struct wf_scope *scope)
{
    const char *site = wf_site(token->object.bound.site);
    if (!scope || scope->magic != WF_SCOPE_MAGIC)
        return wf_misuse(-ESHUTDOWN, "a token (made at %s) was bound to a scope that has ended",
                         site);
    if (scope->loop->thread != token->object.bound.thread)
        return wf_misuse(WEFT_ETHREAD,
                         "a token (made at %s) was bound to a scope (begun at %s) of another "
                         "thread",
                         site, scope->site);
    if (!scope->owner)
        return wf_misuse(-EPERM,
                         "a token (made at %s) was bound to the scope '%s', which no task has "
                         "begun",
                         site, scope->name);
    if (scope->token.next)
        return wf_misuse(-EALREADY,
                         "a token (made at %s) was bound to a scope (begun at %s) that has one "
                         "already",
                         site, scope->site);
    return 0;
}

int weft_token_bind(weft_token *opaque, weft_scope *opaque_scope)
{
    struct token *token = inside(opaque);
    struct wf_scope *scope = (struct wf_scope *)opaque_scope;
    int err = check(token);
    if (err == 0)
        err = check_scope(token, scope);
    if (err < 0)
        return err;
    if (token->cancelled)
        weft_scope_cancel(opaque_scope, token->why);
    else
        push(&token->scopes, &scope->token);
    return 0;
}

/* Waiting. */

static bool take(struct wf_waiter *w, int64_t *result)
{
    struct token *token = w->object;
    *result = check(token);
    return *result < 0 || token->cancelled;
}

static const char *describe(const struct wf_waiter *w, char *text, size_t size)
{
    const struct token *token = w->object;
    snprintf(text, size, "the cancel of the token (made at %s)", wf_site(token->object.bound.site));
    return text;
}

const struct wf_wait_ops wf_token_ops = { .kind = "the cancel of a token",
                                          .abort = wf_object_leave,
                                          .take = take,
                                          .join = wf_object_join,
                                          .describe = describe };

int weft_token_wait(weft_token *token)
{
    weft_task *task;
    int err = wf_enter(&task);
    return err < 0 ? err : (int)wf_object_wait(&wf_token_ops, inside(token), NULL);
}

void weft_token_get_stats(const weft_token *opaque, weft_token_stats *stats)
{
    const struct token *token = inside(opaque);
    wf_line_tell(&token->object.line, &stats->line);
    stats->children = count(&token->children);
    stats->scopes = count(&token->scopes);
}
