/* Lines: who lets them pass, what becomes of hostile bytes, and where they end. */

#include "model.h"

#include "base/log.h"
#include "base/memory.h"

#include <unistd.h>

#define MAX WEFT_LOG_SIZE_MAX

struct capture {
    int lines;
    enum weft_logger logger;
    enum weft_log_level level;
    size_t size;
    char text[MAX + 1];
};

static void capture_line(void *context, enum weft_logger logger, enum weft_log_level level,
                         const char *text, size_t size)
{
    struct capture *capture = context;
    capture->lines++;
    capture->logger = logger;
    capture->level = level;
    capture->size = size;
    assert_true(size <= MAX);
    assert_int_equal(text[size], '\0');
    memcpy(capture->text, text, size + 1);
    errno = EIO; /* a sink may; the caller must not see it */
}

static struct capture capture;

static int setup(void **state)
{
    (void)state;
    memset(&capture, 0, sizeof capture);
    weft_log_set_sink(capture_line, &capture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weft_log_set_sink(NULL, NULL);
    for (int logger = 0; logger < 3; logger++)
        weft_log_set_level((enum weft_logger)logger, WEFT_LOG_WARNING);
    return 0;
}

/* Runs first: main has set WEFT_LOG=info. */
static void test_log_environment_sets_the_level(void **state)
{
    (void)state;
    assert_true(weft_log_enabled(WEFT_LOG_ACCESS, WEFT_LOG_INFO));
    assert_false(weft_log_enabled(WEFT_LOG_ACCESS, WEFT_LOG_DEBUG));
    setenv("WEFT_LOG", "debug", 1);
    assert_false(weft_log_enabled(WEFT_LOG_RUNTIME, WEFT_LOG_DEBUG)); /* read once */
}

static void test_log_level_belongs_to_its_logger(void **state)
{
    (void)state;
    weft_log_set_level(WEFT_LOG_ACCESS, WEFT_LOG_DEBUG);
    weft_log_set_level(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR);
    weft_log(WEFT_LOG_ACCESS, WEFT_LOG_DEBUG, "GET %s %d", "/", 200);
    assert_int_equal(capture.lines, 1);
    assert_int_equal(capture.logger, WEFT_LOG_ACCESS);
    assert_int_equal(capture.level, WEFT_LOG_DEBUG);
    assert_string_equal(capture.text, "GET / 200");
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "unheard");
    assert_int_equal(capture.lines, 1);
}

static void test_log_nonsense_is_ignored(void **state)
{
    (void)state;
    weft_log_set_level((enum weft_logger)9, WEFT_LOG_ERROR);
    weft_log_set_level(WEFT_LOG_ACCESS, (enum weft_log_level)9);
    weft_log((enum weft_logger)9, WEFT_LOG_ERROR, "no");
    weft_log(WEFT_LOG_ACCESS, (enum weft_log_level)9, "no");
    assert_int_equal(capture.lines, 0);
}

static void test_log_count_counts_what_passed(void **state)
{
    (void)state;
    uint64_t warnings = wf_log_count(WEFT_LOG_APPLICATION, WEFT_LOG_WARNING);
    uint64_t debugs = wf_log_count(WEFT_LOG_APPLICATION, WEFT_LOG_DEBUG);
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_WARNING, "one");
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_WARNING, "two");
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_DEBUG, "unheard");
    assert_int_equal(wf_log_count(WEFT_LOG_APPLICATION, WEFT_LOG_WARNING), warnings + 2);
    assert_int_equal(wf_log_count(WEFT_LOG_APPLICATION, WEFT_LOG_DEBUG), debugs);
}

static void test_log_keeps_errno_and_allocates_nothing(void **state)
{
    (void)state;
    uint64_t before = wf_memory_count();
    errno = ENOENT;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR, "%m");
    assert_int_equal(errno, ENOENT);
    assert_int_equal(wf_memory_count(), before);
    assert_string_equal(capture.text, "No such file or directory");
}

static void test_log_escapes_what_could_forge_a_line(void **state)
{
    (void)state;
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR, "%s", "a\nweft: b\r\tc\x1b[2J\x7f\x01 \xc3\xa9");
    assert_string_equal(capture.text, "a\\nweft: b\\r\\tc\\x1b[2J\\x7f\\x01 \xc3\xa9");
    assert_int_equal(capture.size, strlen(capture.text));
}

/* `count` times `unit`, logged as one line. */
static void log_repeated(const char *unit, size_t count)
{
    char *text = malloc(count * strlen(unit) + 1);
    for (size_t i = 0; i < count; i++)
        strcpy(text + i * strlen(unit), unit);
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_ERROR, "%s", text);
    free(text);
}

static void assert_cut(size_t kept)
{
    assert_int_equal(capture.size, kept + 3);
    assert_string_equal(capture.text + kept, "\xe2\x80\xa6");
}

static void test_log_line_is_bounded(void **state)
{
    (void)state;
    log_repeated("x", MAX);
    assert_int_equal(capture.size, MAX);
    log_repeated("x", MAX + 1);
    assert_cut(MAX - 3);
    log_repeated("x", 3 * MAX);
    assert_cut(MAX - 3);
}

static void test_log_line_is_bounded_once_escaped(void **state)
{
    (void)state;
    log_repeated("\x01", MAX / 4);
    assert_int_equal(capture.size, MAX);
    log_repeated("\x01", MAX / 4 + 1);
    assert_cut(MAX - 4);
    assert_string_equal(capture.text + MAX - 8, "\\x01\xe2\x80\xa6");
    log_repeated("\n", MAX);
    assert_cut(MAX - 4);
}

static void test_log_line_is_cut_between_characters(void **state)
{
    (void)state;
    log_repeated("\xf0\x9f\x98\x80", MAX); /* four bytes each */
    assert_cut(MAX - 4);
    log_repeated("\xe2\x82\xac", MAX); /* three */
    assert_cut((MAX - 3) / 3 * 3);
}

static void test_log_default_sink_writes_one_line(void **state)
{
    (void)state;
    int pipes[2];
    char text[256];
    assert_int_equal(pipe(pipes), 0);
    int saved = dup(STDERR_FILENO);
    dup2(pipes[1], STDERR_FILENO);
    weft_log_set_sink(NULL, NULL);
    weft_log(WEFT_LOG_RUNTIME, WEFT_LOG_WARNING, "task '%s' is stuck", "main");
    dup2(saved, STDERR_FILENO);
    ssize_t size = read(pipes[0], text, sizeof text - 1);
    assert_true(size > 0);
    text[size] = '\0';
    assert_string_equal(text, "weft runtime warning: task 'main' is stuck\n");
    close(saved);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    setenv("WEFT_LOG", "info", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log_environment_sets_the_level, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_level_belongs_to_its_logger, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_nonsense_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_count_counts_what_passed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_keeps_errno_and_allocates_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_log_escapes_what_could_forge_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_line_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_line_is_bounded_once_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_line_is_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_default_sink_writes_one_line, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
