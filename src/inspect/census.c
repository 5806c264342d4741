/* The census of stacks, asked for by code. What it is: core/census.h. */

#include "core/census.h"

#include "core/loop.h"

#include <weft/inspect.h>

struct question {
    weft_stack_use_fn *fn;
    void *context;
    struct weft_stack_use use;
    int answer;
};

/* Users' code: what suspends is refused there. */
static void ask(void *arg)
{
    struct question *question = arg;
    question->answer = question->fn(question->context, &question->use);
}

static struct weft_stack_use use_of(const weft_loop *loop, const struct wf_census_entry *entry)
{
    return (struct weft_stack_use){ .function = entry->fn,
                                    .deepest = entry->deepest,
                                    .measured = entry->measured,
                                    .stack_sizes = entry->stack_sizes,
                                    .suggested = wf_census_suggested(loop, entry),
                                    .exact = wf_census_is_exact(loop) };
}

WF_NOINLINE int weft_stack_census(weft_stack_use_fn *fn, void *context)
{
    struct question question = { .fn = fn, .context = context };
    struct wf_census_entry entry = { .measured = 0 };
    weft_loop *loop = weft_loop_current();
    if (!loop)
        return wf_misuse(-EPERM, "weft_stack_census() where there is no loop");
    if (wf_in_task(loop))
        wf_check_innermost(loop->current, __builtin_frame_address(0));
    wf_census_survey(loop);
    while (question.answer >= 0 && wf_census_next(&loop->census, &entry)) {
        question.use = use_of(loop, &entry);
        wf_drop(loop, ask, &question);
    }
    return question.answer < 0 ? question.answer : 0;
}
