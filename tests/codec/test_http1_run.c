/* Runs: each way that this machine has to scan for the end of one, against a loop that asks the
 * classes; every place, every byte, and longer texts at random.
 *
 * Windows of every size and alignment end where their memory ends, and AddressSanitizer sees a byte
 * that is read behind one, or, where its memory begins there too, before it. */

#include "../base/model.h"

#include "base/compiler.h"
#include "codec/http1_inside.h"

enum { CLASSES = 7, LEN_MAX = 70, ALIGNMENTS = 32, TEXT_MAX = 4096 };

/* Memory that ends with the window; the window begins `alignment` bytes behind its start. */
struct window {
    char *memory;
    uint32_t from, end;
};

static uint32_t expected_stop(const char *memory, uint32_t from, uint32_t end, int class)
{
    while (from < end && (wf_http1_class[(uint8_t)memory[from]] & class) != 0)
        from++;
    return from;
}

static void expect(const struct wf_http1_runner *runner, const struct window *window, int class)
{
    uint32_t wanted = expected_stop(window->memory, window->from, window->end, class);
    uint32_t found = runner->run(window->memory, window->from, window->end, class);
    if (found == wanted)
        return;
    fail_msg("%s, class %d, from %u to %u: stops at %u and not at %u, where 0x%02x is",
             runner->name, class, window->from, window->end, found, wanted,
             wanted < window->end ? (uint8_t)window->memory[wanted] : 0);
}

static struct window window_new(uint32_t alignment, uint32_t len)
{
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, alignment + len), 0);
    memset(memory, 0, alignment + len);
    return (struct window){ memory, alignment, alignment + len };
}

/* --- every byte at every place --- */

/* The bytes of a class in turn. */
static char member(int class, unsigned index)
{
    unsigned byte = index % 256;
    while (!(wf_http1_class[byte] & class))
        byte = (byte + 1) % 256;
    return (char)byte;
}

/* Each value at this place of a window that is all of the class otherwise. For each value one or
 * all of the alignments: then each alignment has still seen eight of the values here. */
static void check_place(const struct wf_http1_runner *runner, struct window *windows, uint32_t at,
                        int class, unsigned step)
{
    for (unsigned value = 0; value < 256; value++) {
        for (unsigned i = value % step; i < ALIGNMENTS; i += step) {
            char *byte = windows[i].memory + windows[i].from + at, usual = *byte;
            *byte = (char)value;
            expect(runner, &windows[i], class);
            *byte = usual;
        }
    }
}

static void check_len(const struct wf_http1_runner *runner, uint32_t len, int class, unsigned step)
{
    struct window windows[ALIGNMENTS];
    for (uint32_t i = 0; i < ALIGNMENTS; i++) {
        windows[i] = window_new(i, len);
        for (uint32_t at = 0; at < len; at++)
            windows[i].memory[i + at] = member(class, at * 7 + i);
        expect(runner, &windows[i], class);
    }
    for (uint32_t at = 0; at < len; at++)
        check_place(runner, windows, at, class, step);
    for (int i = 0; i < ALIGNMENTS; i++)
        free(windows[i].memory);
}

/* The long form takes each value at all alignments. */
static void test_run_finds_every_byte_at_every_place(void **state)
{
    (void)state;
    const char *alignments = getenv("WEFT_TEST_OPERATIONS");
    unsigned step = alignments && atoi(alignments) >= ALIGNMENTS ? 1 : ALIGNMENTS;
    for (size_t i = 0; wf_http1_runner(i); i++)
        for (int bit = 0; bit < CLASSES; bit++)
            for (uint32_t len = 0; len <= LEN_MAX; len++)
                check_len(wf_http1_runner(i), len, 1 << bit, step);
}

/* --- longer texts --- */

/* Mostly of the class, so that runs are long; or anything. */
static void fill(struct dice *dice, const struct window *window, int class)
{
    size_t strangers = dice_below(dice, 3) * dice_below(dice, 100);
    for (uint32_t at = window->from; at < window->end; at++) {
        unsigned value = (unsigned)dice_below(dice, 256);
        bool is_strange = dice_below(dice, 1000) < strangers;
        window->memory[at] = is_strange ? (char)value : member(class, value);
    }
}

/* From each stop on to the next, and to an end that is not the memory's. */
static void check_text(struct dice *dice, struct window text, int class)
{
    for (size_t i = 0; wf_http1_runner(i); i++) {
        struct window part = text;
        while (part.from < part.end) {
            struct window less = part;
            less.end -= (uint32_t)dice_below(dice, part.end - part.from);
            expect(wf_http1_runner(i), &less, class);
            expect(wf_http1_runner(i), &part, class);
            part.from = expected_stop(part.memory, part.from, part.end, class) + 1;
        }
    }
}

static void test_run_stops_where_the_plain_loop_stops(void **state)
{
    (void)state;
    struct dice dice = dice_seed("test_http1_run");
    for (int round = 0; round < 1000; round++) {
        int class = 1 << dice_below(&dice, CLASSES);
        uint32_t alignment = (uint32_t)dice_below(&dice, ALIGNMENTS);
        struct window text = window_new(alignment, (uint32_t)dice_below(&dice, TEXT_MAX));
        fill(&dice, &text, class);
        check_text(&dice, text, class);
        free(text.memory);
    }
}

/* --- the choice --- */

static void test_run_chooses_the_widest_at_its_first_long_run(void **state)
{
    (void)state;
    const struct wf_http1_runner *widest = NULL;
    printf("runners here:");
    for (size_t i = 0; wf_http1_runner(i); i++) {
        widest = wf_http1_runner(i);
        printf(" %s", widest->name);
    }
    printf("\n");
    assert_string_equal(wf_http1_runner(0)->name, "scalar");
    assert_ptr_equal(wf_http1_runner(0)->run, wf_http1_run_scalar);
    static const char text[] = "a token of more than sixteen bytes";
    assert_int_equal(wf_http1_run(text, 0, sizeof(text) - 1, WF_HTTP1_TOKEN), 1);
    assert_ptr_equal(atomic_load(&wf_http1_run_wide), widest->run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_chooses_the_widest_at_its_first_long_run),
        cmocka_unit_test(test_run_finds_every_byte_at_every_place),
        cmocka_unit_test(test_run_stops_where_the_plain_loop_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
