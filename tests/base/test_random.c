/* The dice: repeatable, equal to the published algorithm, unbiased. */

#include "model.h"

#include "base/random.h"

static void test_random_same_seed_same_throws(void **state)
{
    (void)state;
    struct wf_random a, b, c;
    wf_random_seed(&a, 7);
    wf_random_seed(&b, 7);
    wf_random_seed(&c, 8);
    bool differs = false;
    for (int i = 0; i < 1000; i++) {
        uint64_t thrown = wf_random_next(&a);
        assert_true(thrown == wf_random_next(&b));
        differs |= thrown != wf_random_next(&c);
    }
    assert_true(differs);
}

static void test_random_entropy_is_another_one_each_time(void **state)
{
    (void)state;
    assert_true(wf_random_entropy() != wf_random_entropy());
}

/* splitmix64 of 0 begins with 0xe220a8397b1dcdaf, as published. */
static void test_random_seed_is_splitmix64(void **state)
{
    (void)state;
    struct wf_random random;
    wf_random_seed(&random, 0);
    assert_true(random.state[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(random.state[1] == UINT64_C(0x6e789e6aa1b965f4));
}

/* By hand from the definition: rotl(1 + 4, 23) + 1, and so on. */
static void test_random_next_is_xoshiro256_plus_plus(void **state)
{
    (void)state;
    struct wf_random random = { .state = { 1, 2, 3, 4 } };
    assert_true(wf_random_next(&random) == UINT64_C(41943041));
    assert_true(wf_random_next(&random) == UINT64_C(58720359));
    assert_true(wf_random_next(&random) == UINT64_C(3588806011781223));
}

static void test_random_below_stays_below(void **state)
{
    (void)state;
    struct wf_random random;
    wf_random_seed(&random, 1);
    const uint64_t bounds[] = { 1, 2, 3, 1000, UINT64_C(1) << 63, UINT64_MAX };
    for (int i = 0; i < 6; i++)
        for (int n = 0; n < 1000; n++)
            assert_true(wf_random_below(&random, bounds[i]) < bounds[i]);
}

/* With a bound of 3/4 of the range a plain remainder would hit the lower third twice as often. */
static void test_random_below_is_unbiased(void **state)
{
    (void)state;
    struct wf_random random;
    wf_random_seed(&random, 2);
    const uint64_t bound = UINT64_C(3) << 62;
    int thirds[3] = { 0 };
    for (int i = 0; i < 30000; i++)
        thirds[wf_random_below(&random, bound) / (bound / 3)]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(thirds[i], 9600, 10400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_same_seed_same_throws),
        cmocka_unit_test(test_random_entropy_is_another_one_each_time),
        cmocka_unit_test(test_random_seed_is_splitmix64),
        cmocka_unit_test(test_random_next_is_xoshiro256_plus_plus),
        cmocka_unit_test(test_random_below_stays_below),
        cmocka_unit_test(test_random_below_is_unbiased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
