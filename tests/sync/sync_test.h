#ifndef WF_TESTS_SYNC_SYNC_TEST_H
#define WF_TESTS_SYNC_SYNC_TEST_H

/* What the tests of primitives share: tasks that are held by their handles, what one waits for in
 * words, another thread, and a loop beside the running one. */

#include "core/core_test.h"

/* A task in the background that its test holds: to be released by end_of(). */
static inline weft_task *begin(weft_fn *fn, void *arg)
{
    weft_task *task = NULL;
    assert_int_equal(weft_spawn(weft_background(), fn, arg, .task = &task), 0);
    return task;
}

/* Its result, when it has ended; the handle is given back. */
static inline int end_of(weft_task *task)
{
    int err = weft_await(task);
    weft_task_release(task);
    return err;
}

/* Let everybody run who is ready. */
static inline void let_others_run(void)
{
    for (int i = 0; i < 4; i++)
        weft_sleep(0);
}

static inline void expect_wait(const weft_task *task, const char *part)
{
    char text[400] = "nothing";
    if (task->parked)
        wf_wait_describe(task->parked, text, sizeof text);
    if (!strstr(text, part))
        fail_msg("expected '%s' in: %s", part, text);
}

static inline void *call_elsewhere(void *arg)
{
    int (**fn)(void) = arg;
    return (void *)(intptr_t)(*fn)();
}

/* What a function says on a thread without a loop. */
static inline int on_another_thread(int (*fn)(void))
{
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, call_elsewhere, &fn), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return (int)(intptr_t)result;
}

/* Memory that ends after so many allocations: between the next two, and around a run. */

static unsigned allocations_left = UINT_MAX;

static inline void *allocate_counted(void *context, size_t size)
{
    (void)context;
    return allocations_left > 0 && allocations_left-- > 0 ? malloc(size) : NULL;
}

static inline void *reallocate_counted(void *context, void *memory, size_t size)
{
    (void)context;
    return allocations_left > 0 && allocations_left-- > 0 ? realloc(memory, size) : NULL;
}

static inline void release_counted(void *context, void *memory)
{
    (void)context;
    free(memory);
}

static inline void count_allocations(void)
{
    static const struct weft_allocator counted = { .allocate = allocate_counted,
                                                   .reallocate = reallocate_counted,
                                                   .release = release_counted };
    allocations_left = UINT_MAX;
    assert_int_equal(weft_set_allocator(&counted), 0);
}

static inline void count_no_allocations(void)
{
    allocations_left = UINT_MAX;
    assert_int_equal(weft_set_allocator(NULL), 0);
}

/* What the last misuse of this thread was said to be. The log has it once for each sentence, so
 * perhaps in an earlier test. */
static inline void expect_said(const char *part)
{
    if (!strstr(weft_error_detail(), part))
        fail_msg("expected '%s' in: %s", part, weft_error_detail());
    take_log(part);
}

#endif
