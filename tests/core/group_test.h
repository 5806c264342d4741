#ifndef WF_TESTS_CORE_GROUP_TEST_H
#define WF_TESTS_CORE_GROUP_TEST_H

/* What the tests of groups share: assertions that any thread may make. cmocka's jump to the test's
 * own stack, which is another thread's; these end the program. Include it after everything else. */

#define LOOPS 4

static inline void group_require(bool holds, const char *file, int line, const char *what,
                                 long long a, long long b)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: loop %u: %s: %lld, %lld\n", file, line, weft_loop_index(), what, a, b);
    fflush(stderr);
    _exit(1);
}

#define GROUP_REQUIRE(holds, what, a, b)                                                           \
    group_require(holds, __FILE__, __LINE__, what, (long long)(a), (long long)(b))

#undef assert_true
#undef assert_false
#undef assert_null
#undef assert_int_equal
#undef assert_int_not_equal
#undef assert_ptr_equal
#undef assert_string_equal
#undef assert_string_not_equal
#undef assert_in_range
#define assert_true(x)            GROUP_REQUIRE(x, #x, 0, 0)
#define assert_false(x)           GROUP_REQUIRE(!(x), "not " #x, 0, 0)
#define assert_null(x)            GROUP_REQUIRE(!(x), "no " #x, 0, 0)
#define assert_ptr_equal(a, b)    GROUP_REQUIRE((a) == (b), #a " is " #b, 0, 0)
#define assert_string_equal(a, b) GROUP_REQUIRE(strcmp(a, b) == 0, #a " reads " #b, 0, 0)
#define assert_string_not_equal(a, b)                                                              \
    GROUP_REQUIRE(strcmp(a, b) != 0, #a " does not read " #b, 0, 0)
#define assert_int_equal(a, b)                                                                     \
    do {                                                                                           \
        long long a_ = (long long)(a), b_ = (long long)(b);                                        \
        GROUP_REQUIRE(a_ == b_, #a " == " #b, a_, b_);                                             \
    } while (0)
#define assert_int_not_equal(a, b)                                                                 \
    do {                                                                                           \
        long long a_ = (long long)(a), b_ = (long long)(b);                                        \
        GROUP_REQUIRE(a_ != b_, #a " != " #b, a_, b_);                                             \
    } while (0)
#define assert_in_range(x, least, most)                                                            \
    do {                                                                                           \
        long long x_ = (long long)(x);                                                             \
        GROUP_REQUIRE(x_ >= (least) && x_ <= (most), #x " in range", x_, most);                    \
    } while (0)

/* All mains are there. Threads wait here, not tasks: no cancel comes between. */
static pthread_barrier_t meeting;

static inline void meet(void)
{
    pthread_barrier_wait(&meeting);
}

/* A main on each of `count` loops. */
static inline int run_group(unsigned count, weft_fn *fn, void *arg, bool signals)
{
    pthread_barrier_init(&meeting, NULL, count);
    int err = weft_run(fn, arg, .threads = (uint16_t)count, .no_signals = !signals);
    pthread_barrier_destroy(&meeting);
    return err;
}

static inline int run_loops(unsigned count, weft_fn *fn, void *arg)
{
    return run_group(count, fn, arg, false);
}

#endif
