#ifndef WF_TESTS_CORE_CORE_TEST_H
#define WF_TESTS_CORE_CORE_TEST_H

/* What the tests of core share: runs under the test clock, a trace of who ran when, and a log that
 * nobody overlooks.
 *
 * Each test ends as it began: no descriptor more, and every line that was logged was expected by
 * expect_log(). Programs that abort run in a child (expect_abort). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "core/loop.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weft/blocking.h>
#include <weft/error.h>
#include <weft/log.h>
#include <weft/loop.h>
#include <weft/scope.h>
#include <weft/task.h>

#define SECOND      WEFT_SECOND
#define MILLISECOND WEFT_MILLISECOND

/* Who ran when: letters in order. */
static char trace[1024];

static inline void note(const char *text)
{
    size_t used = strlen(trace);
    snprintf(trace + used, sizeof trace - used, "%s", text);
}

/* The log: lines that wait to be expected. */
enum { LOG_LINES = 64 };
static struct {
    char text[LOG_LINES][600];
    unsigned count;
    pthread_mutex_t lock;
} logged = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline void keep_line(void *context, enum weft_logger logger, enum weft_log_level level,
                             const char *text, size_t size)
{
    (void)context, (void)logger, (void)level, (void)size;
    pthread_mutex_lock(&logged.lock);
    if (logged.count < LOG_LINES)
        snprintf(logged.text[logged.count], sizeof logged.text[0], "%s", text);
    logged.count++;
    pthread_mutex_unlock(&logged.lock);
}

/* How many lines contain `part`; they count as expected. */
static inline unsigned take_log(const char *part)
{
    unsigned found = 0, kept = 0;
    assert_true(logged.count <= LOG_LINES);
    for (unsigned i = 0; i < logged.count; i++) {
        if (strstr(logged.text[i], part))
            found++;
        else if (i == kept++)
            continue;
        else
            memcpy(logged.text[kept - 1], logged.text[i], sizeof logged.text[0]);
    }
    logged.count = kept;
    return found;
}

/* Exactly one line contains `part`. */
static inline void expect_log(const char *part)
{
    unsigned found = take_log(part);
    if (found == 1)
        return;
    print_error("%u lines contain '%s'\n", found, part);
    for (unsigned i = 0; i < logged.count && i < LOG_LINES; i++)
        print_error("logged: %s\n", logged.text[i]);
    fail();
}

static inline int count_fds(void)
{
    int count = 0;
#ifdef STAND_IN
    return count;
#endif
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int fds_before;

static inline int core_setup(void **state)
{
    (void)state;
    trace[0] = '\0';
    logged.count = 0;
    wf_running = NULL; /* a test that failed in a task has left its loop */
    weft_log_set_sink(keep_line, NULL);
    fds_before = count_fds();
    return 0;
}

static inline int core_teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < logged.count && i < LOG_LINES; i++)
        print_error("nobody expected: %s\n", logged.text[i]);
    weft_log_set_sink(NULL, NULL);
    if (count_fds() != fds_before)
        print_error("descriptors: %d before, %d after\n", fds_before, count_fds());
    return logged.count > 0 || count_fds() != fds_before ? -1 : 0;
}

#define core_test(function) cmocka_unit_test_setup_teardown(function, core_setup, core_teardown)

/* weft_run() in virtual time. */
static inline int run(weft_fn *fn, void *arg)
{
    return weft_run(fn, arg, .clock = WEFT_CLOCK_TEST, .no_signals = true);
}

/* The real time that has passed, for bounds on what takes no time. */
static inline int64_t real_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/* Run `fn` as a program of its own that is to abort; what it wrote to stderr. */
static inline const char *abort_text(void (*fn)(void))
{
    static char text[4096];
    int pipes[2];
    size_t used = 0;
    ssize_t n;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int number = 1; number < 32; number++) /* cmocka's handlers would run the next test */
            signal(number, SIG_DFL);
        dup2(pipes[1], STDERR_FILENO);
        weft_log_set_sink(NULL, NULL);
        fn();
        _exit(0);
    }
    close(pipes[1]);
    while (used < sizeof text - 1 && (n = read(pipes[0], text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    close(pipes[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("it did not abort (status %#x); it wrote: %s", (unsigned)status, text);
    return text;
}

static inline void expect_abort(void (*fn)(void), const char *part)
{
    const char *text = abort_text(fn);
    if (!strstr(text, part))
        fail_msg("expected '%s' in: %s", part, text);
}

/* Run `fn` as a program of its own, whose leaks are its own affair; its exit status. */
static inline int exit_status(int (*fn)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fn());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Functions that many tests spawn. */

static inline int return_zero(void *arg)
{
    (void)arg;
    return 0;
}

/* arg: the code. */
static inline int return_code(void *arg)
{
    return *(int *)arg;
}

static inline int note_arg(void *arg)
{
    note(arg);
    return 0;
}

static inline int sleep_second(void *arg)
{
    (void)arg;
    return weft_sleep(SECOND);
}

static inline int sleep_forever(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_FOREVER);
}

#endif
