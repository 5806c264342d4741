/* What compares the logs of drivers finds what it is for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal.h"

static void check_difference(const char *a, const char *b, const char *expected)
{
    struct journal found;
    journal_begin(&found);
    assert_true(journal_difference("a", a, "b", b, &found) == (*expected != 0));
    assert_string_equal(journal_text(&found), expected);
    journal_end(&found);
}

static void test_journal_equal_texts_do_not_differ(void **state)
{
    (void)state;
    check_difference("", "", "");
    check_difference("one\ntwo\n", "one\ntwo\n", "");
}

static void test_journal_a_changed_line_is_shown_among_its_neighbours(void **state)
{
    (void)state;
    check_difference("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
                     "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

static void test_journal_lines_that_lack_or_are_too_many_are_shown(void **state)
{
    (void)state;
    check_difference("1\n2\n3\n", "1\n3\n", "--- a\n+++ b\n@@ -1,3 +1,2 @@\n 1\n-2\n 3\n");
    check_difference("1\n", "1\n2\n", "--- a\n+++ b\n@@ -1,1 +1,2 @@\n 1\n+2\n");
    check_difference("1\n", "", "--- a\n+++ b\n@@ -1,1 +1,0 @@\n-1\n");
    check_difference("1\n1\n", "1\n", "--- a\n+++ b\n@@ -1,2 +1,1 @@\n 1\n-1\n");
}

static void test_journal_what_is_common_between_two_changes_stays(void **state)
{
    (void)state;
    check_difference("1\n2\n3\n4\n", "one\n2\n3\nfour\n",
                     "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n-4\n+four\n");
}

static void test_journal_a_line_that_begins_alike_is_another(void **state)
{
    (void)state;
    check_difference("12\n", "1\n", "--- a\n+++ b\n@@ -1,1 +1,1 @@\n-12\n+1\n");
}

static void test_journal_follows_what_is_expected(void **state)
{
    (void)state;
    const char *where;
    assert_true(journal_follows("1\n2\n3\n", "1\n2\n3\n", &where));
    assert_true(journal_follows("1\n2\n3\n", "...\n2\n...\n", &where));
    assert_true(journal_follows("1\n2\n3\n", "1\n...\n2\n3\n...\n", &where));
    assert_true(journal_follows("", "...\n", &where));
    assert_true(journal_follows("", "", &where));
}

static void test_journal_says_where_it_does_not_follow(void **state)
{
    (void)state;
    const char *where;
    assert_false(journal_follows("1\n2\n", "1\n3\n", &where));
    assert_string_equal(where, "3\n");
    assert_false(journal_follows("1\n2\n", "1\n", &where));
    assert_string_equal(where, "");
    assert_false(journal_follows("1\n", "1\n2\n", &where));
    assert_string_equal(where, "2\n");
    assert_false(journal_follows("1\n2\n3\n", "...\n2\n2\n...\n", &where));
    assert_false(journal_follows("1\n2\n3\n", "...\n4\n...\n", &where));
    assert_string_equal(where, "4\n...\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_equal_texts_do_not_differ),
        cmocka_unit_test(test_journal_a_changed_line_is_shown_among_its_neighbours),
        cmocka_unit_test(test_journal_lines_that_lack_or_are_too_many_are_shown),
        cmocka_unit_test(test_journal_what_is_common_between_two_changes_stays),
        cmocka_unit_test(test_journal_a_line_that_begins_alike_is_another),
        cmocka_unit_test(test_journal_follows_what_is_expected),
        cmocka_unit_test(test_journal_says_where_it_does_not_follow),
    };
    return cmocka_run_group_tests_name("conformance journal", tests, NULL, NULL);
}
