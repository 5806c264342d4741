#ifndef WF_TESTS_AARCH64_CMOCKA_H
#define WF_TESTS_AARCH64_CMOCKA_H

/* What our tests use of cmocka, for a machine that has none: the sources of the tests are compiled
 * as they are, and find this instead of it.
 *
 * A failed check goes back to the runner by longjmp, from whatever stack it is on, and the next
 * test runs. Like cmocka this knows one thread only. Tests that the emulator cannot run are named
 * in LEFT_OUT, a list with a blank before and behind each name: see meson.build. */

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Descriptors are not counted: the emulator has some of its own now and then. */
#define STAND_IN 1

#ifndef LEFT_OUT
#    define LEFT_OUT " "
#endif

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
    void *state;
};

enum { STAND_IN_FAILED = 1, STAND_IN_SKIPPED };

static jmp_buf stand_in_runner;

__attribute__((noreturn)) static inline void stand_in_fail(const char *what, const char *file,
                                                           int line)
{
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    longjmp(stand_in_runner, STAND_IN_FAILED);
}

static inline void stand_in_check(int holds, const char *what, const char *file, int line)
{
    if (!holds)
        stand_in_fail(what, file, line);
}

static inline void stand_in_equal(uint64_t a, uint64_t b, int wanted, const char *what,
                                  const char *file, int line)
{
    if ((a == b) == wanted)
        return;
    fprintf(stderr, "%#llx and %#llx\n", (unsigned long long)a, (unsigned long long)b);
    stand_in_fail(what, file, line);
}

static inline void stand_in_strings(const char *a, const char *b, int wanted, const char *what,
                                    const char *file, int line)
{
    if ((strcmp(a, b) == 0) == wanted)
        return;
    fprintf(stderr, "'%s' and '%s'\n", a, b);
    stand_in_fail(what, file, line);
}

static inline void stand_in_range(uint64_t value, uint64_t low, uint64_t high, const char *what,
                                  const char *file, int line)
{
    if (value >= low && value <= high)
        return;
    fprintf(stderr, "%llu is not between %llu and %llu\n", (unsigned long long)value,
            (unsigned long long)low, (unsigned long long)high);
    stand_in_fail(what, file, line);
}

#define STAND_IN_WHERE __FILE__, __LINE__

#define assert_true(c)  stand_in_check(!!(c), "true: " #c, STAND_IN_WHERE)
#define assert_false(c) stand_in_check(!(c), "false: " #c, STAND_IN_WHERE)

#define assert_null(p)     stand_in_check(!(p), "null: " #p, STAND_IN_WHERE)
#define assert_non_null(p) stand_in_check(!!(p), "not null: " #p, STAND_IN_WHERE)

#define assert_int_equal(a, b)                                                                     \
    stand_in_equal((uint64_t)(a), (uint64_t)(b), 1, #a " is " #b, STAND_IN_WHERE)
#define assert_int_not_equal(a, b)                                                                 \
    stand_in_equal((uint64_t)(a), (uint64_t)(b), 0, #a " is not " #b, STAND_IN_WHERE)
#define assert_ptr_equal(a, b)                                                                     \
    stand_in_equal((uintptr_t)(a), (uintptr_t)(b), 1, #a " is " #b, STAND_IN_WHERE)
#define assert_ptr_not_equal(a, b)                                                                 \
    stand_in_equal((uintptr_t)(a), (uintptr_t)(b), 0, #a " is not " #b, STAND_IN_WHERE)

#define assert_string_equal(a, b)     stand_in_strings(a, b, 1, #a " is " #b, STAND_IN_WHERE)
#define assert_string_not_equal(a, b) stand_in_strings(a, b, 0, #a " is not " #b, STAND_IN_WHERE)
#define assert_memory_equal(a, b, size)                                                            \
    stand_in_check(memcmp(a, b, size) == 0, #a " has the bytes of " #b, STAND_IN_WHERE)
#define assert_in_range(value, low, high)                                                          \
    stand_in_range((uint64_t)(value), (uint64_t)(low), (uint64_t)(high), #value, STAND_IN_WHERE)

#define print_message(...) printf(__VA_ARGS__)
#define print_error(...)   fprintf(stderr, __VA_ARGS__)

#define fail() stand_in_fail("fail()", STAND_IN_WHERE)
#define fail_msg(...)                                                                              \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        fail();                                                                                    \
    } while (0)
#define skip() longjmp(stand_in_runner, STAND_IN_SKIPPED)

#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#        f, f, NULL, NULL, NULL                                                                    \
    }
#define cmocka_unit_test_setup(f, setup)                                                           \
    {                                                                                              \
#        f, f, setup, NULL, NULL                                                                   \
    }
#define cmocka_unit_test_setup_teardown(f, setup, teardown)                                        \
    {                                                                                              \
#        f, f, setup, teardown, NULL                                                               \
    }

/* One test; what became of it. */
static inline int stand_in_run(const struct CMUnitTest *test)
{
    void *state = test->state;
    volatile int became = 0;
    if (test->setup && test->setup(&state) != 0)
        return STAND_IN_FAILED;
    became = setjmp(stand_in_runner);
    if (became == 0)
        test->run(&state);
    if (test->teardown && test->teardown(&state) != 0)
        became = STAND_IN_FAILED;
    return became;
}

static inline int stand_in_left_out(const char *name)
{
    char word[200];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(LEFT_OUT, word) != NULL;
}

/* How many have failed. */
static inline int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests,
                                          size_t count, int (*setup)(void **state),
                                          int (*teardown)(void **state))
{
    static const char *const words[] = { "passed", "failed", "skipped" };
    unsigned became[3] = { 0 };
    void *state = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a child that is forked must not write it once more */
    if (setup && setup(&state) != 0)
        return 1;
    for (size_t i = 0; i < count; i++) {
        int how = stand_in_left_out(tests[i].name) ? STAND_IN_SKIPPED : stand_in_run(&tests[i]);
        if (how != 0)
            print_error("%s: %s\n", words[how], tests[i].name);
        became[how]++;
    }
    print_message("%s: %u passed, %u failed, %u skipped\n", group, became[0], became[1], became[2]);
    if (teardown && teardown(&state) != 0)
        return 1;
    return (int)became[STAND_IN_FAILED];
}

#define cmocka_run_group_tests_name(group, tests, setup, teardown)                                 \
    _cmocka_run_group_tests(group, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    cmocka_run_group_tests_name(#tests, tests, setup, teardown)

#endif
