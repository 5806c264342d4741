/* Room in the table of descriptors, looked at in children: each begins with a small table. */

#include "io/descriptors.h"
#include "io_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

/* Places that the table has. */
static long places(void)
{
    char line[256];
    long found = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "FDSize: %ld", &found) == 1)
            break;
    if (file)
        fclose(file);
    return found;
}

/* What the process may open, and we make room for. */
static long wanted(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < WF_DESCRIPTORS ? (long)limit.rlim_cur : WF_DESCRIPTORS;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* 0: all as it should be; else where it was not. */
static int look(void (*reserve)(void))
{
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    reserve();
    if (places() < wanted())
        return 1;
    int again = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(again);
    return again == next ? 0 : 2; /* none stays open */
}

static int look_in_child(void (*reserve)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(look(reserve));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void make_a_loop(void)
{
    weft_run(nothing, NULL);
}

static void test_descriptors_have_room_once_there_is_a_loop(void **state)
{
    (void)state;
    assert_int_equal(look_in_child(wf_descriptors_reserve), 0);
    assert_int_equal(look_in_child(make_a_loop), 0);
}

static void test_descriptors_of_a_child_have_room_again(void **state)
{
    (void)state;
    wf_descriptors_reserve();
    assert_int_equal(look_in_child(wf_descriptors_reserve), 0);
}

/* As few as a table has at least. */
static void reserve_with_few(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &limit);
    wf_descriptors_reserve();
    if (places() > 256)
        _exit(3);
}

static void test_descriptors_have_no_more_room_than_the_process_may_use(void **state)
{
    (void)state;
    assert_int_equal(look_in_child(reserve_with_few), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_have_room_once_there_is_a_loop),
        cmocka_unit_test(test_descriptors_of_a_child_have_room_again),
        cmocka_unit_test(test_descriptors_have_no_more_room_than_the_process_may_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
