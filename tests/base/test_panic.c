/* A broken invariant leaves one line on stderr and a SIGABRT. */

#include "model.h"

#include "base/compiler.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run `fail` in a child; its last words go to `text`. Returns the signal that ended it. */
static int last_words(void (*broken)(void), char *text, size_t size)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(pipes[1], STDERR_FILENO);
        broken();
        _exit(0);
    }
    close(pipes[1]);
    size_t at = 0;
    ssize_t n;
    while ((n = read(pipes[0], text + at, size - 1 - at)) > 0)
        at += (size_t)n;
    text[at] = '\0';
    close(pipes[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void break_an_invariant(void)
{
    int one = 1;
    wf_assert(one == 2);
}

static void panic_at_length(void)
{
    char what[1000];
    memset(what, 'x', sizeof what - 1);
    what[sizeof what - 1] = '\0';
    wf_panic("file.c", 0, what);
}

static void test_panic_names_file_line_and_condition(void **state)
{
    (void)state;
    char text[512];
    assert_int_equal(last_words(break_an_invariant, text, sizeof text), SIGABRT);
    const char *name = strstr(text, "test_panic.c:");
    assert_ptr_equal(strstr(text, "weft: "), text);
    assert_non_null(name);
    assert_true(atoi(name + strlen("test_panic.c:")) > 10);
    assert_non_null(strstr(text, ": assertion failed: one == 2\n"));
}

static void test_panic_bounds_the_line(void **state)
{
    (void)state;
    char text[1024];
    assert_int_equal(last_words(panic_at_length, text, sizeof text), SIGABRT);
    assert_int_equal(strlen(text), 512);
    assert_ptr_equal(strstr(text, "weft: file.c:0: xxx"), text);
    assert_int_equal(text[511], '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panic_names_file_line_and_condition),
        cmocka_unit_test(test_panic_bounds_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
