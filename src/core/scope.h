#ifndef WF_CORE_SCOPE_H
#define WF_CORE_SCOPE_H

/* What is behind weft_scope's 512 bytes.
 *
 *     OPEN ──weft_scope_end──> ENDING ──last member gone──> ENDED
 *
 * Members may join while it is OPEN or ENDING. `cause` is written once, by whichever comes first:
 * a failure, an explicit cancel, or the moment when somebody inside is told of the own deadline or
 * of a cancel around it. A deadline that fires when the scope is to end anyway has no effect. */

#include "core/region.h"
#include "core/timer.h"
#include "core/waiter.h"

#include <weft/scope.h>

#define WF_SCOPE_MAGIC    UINT64_C(0x77656674736370a1)
#define WF_SCOPE_ENDED    UINT64_C(0x77656674656e64a1)
#define WF_SCOPE_ERRORS   4
#define WF_SHIELD_TIMEOUT (30 * WEFT_SECOND)

struct wf_scope {
    uint64_t magic; /* open, ended, or garbage */
    struct wf_region region;
    weft_loop *loop;
    weft_task *owner;         /* who has opened it; NULL: the background, or it was hung */
    struct wf_list members;   /* struct wf_member */
    size_t live;              /* members */
    struct wf_waiter *joiner; /* in weft_scope_end() */
    struct wf_timer deadline;
    struct wf_list token; /* among the scopes of a weft_token; next NULL: of none */
    const char *name;
    const char *site;
    uint8_t cause; /* enum weft_scope_cause */
    bool isolate;
    int error; /* what the verdict would be by cause FAILURE or CANCEL */
    uint32_t error_count;
    weft_scope_error errors[WF_SCOPE_ERRORS];
};

_Static_assert(sizeof(struct wf_scope) <= sizeof(weft_scope), "weft_scope is too small");

static inline struct wf_scope *wf_scope_of_region(const struct wf_region *region)
{
    return wf_container(region, struct wf_scope, region);
}

/* The loop's own scope: no owner, isolates, never ends by itself. */
void wf_scope_init_background(struct wf_scope *scope, weft_loop *loop);

/* A scope that no task has opened: it isolates, shields, and hangs in the tree as what is inside
 * `member`, which joins `around`. Who hangs it joins it, and takes the member out. */
void wf_scope_hang(struct wf_scope *scope, struct wf_member *member, struct wf_scope *around,
                   const char *name, const char *site);

/* Set or move the deadline; WEFT_FOREVER: there is none. */
void wf_scope_limit(struct wf_scope *scope, int64_t deadline);

/* Wait until it has no members; the current task, uncancellable. Its waiter's object is the scope.
 */
extern const struct wf_wait_ops wf_scope_join_ops;
void wf_scope_join_all(struct wf_scope *scope);

/* A task may join: 0, -ESHUTDOWN, -EPERM, WEFT_ETHREAD. `frame`: of the call that asks. */
int wf_scope_admit(struct wf_scope *scope, const void *frame);

static inline void wf_scope_join(struct wf_scope *scope, struct wf_member *member)
{
    wf_list_push_back(&scope->members, &member->link);
    scope->live++;
}

/* A child has failed in it, or could not be spawned: with .isolate that is noted and no more. */
void wf_scope_child_failed(struct wf_scope *scope, int error, const char *name, const char *site);

/* A member is gone. error: 0, or its failure (a benign cancel is none). */
static inline void wf_scope_part(struct wf_scope *scope, struct wf_member *member, int error,
                                 const char *site)
{
    wf_list_remove(&member->link);
    scope->live--;
    if (WF_UNLIKELY(error < 0))
        wf_scope_child_failed(scope, error, member->ops->name(member), site);
    if (scope->live == 0 && scope->joiner)
        wf_wake(scope->joiner, 0);
}

/* Its token, if it has one, knows it no more. */
static inline void wf_scope_leave_token(struct wf_scope *scope)
{
    if (WF_UNLIKELY(scope->token.next))
        wf_list_remove(&scope->token);
}

/* Somebody inside was handed -ECANCELED: by the scope's own cancel, or by one around it. */
void wf_scope_told(struct wf_scope *scope, bool own);

/* The innermost scope was left open by a function that has returned: say so and abort. */
_Noreturn void wf_scope_left_open(const weft_task *task);

#endif
