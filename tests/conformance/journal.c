#include "journal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT   3       /* lines around a hunk */
#define CELLS_MAX 4000000 /* of the table of common lines */

void journal_begin(struct journal *journal)
{
    *journal = (struct journal){ 0 };
}

void journal_end(struct journal *journal)
{
    free(journal->text);
    journal_begin(journal);
}

static void need(struct journal *journal, size_t size)
{
    if (journal->size + size <= journal->room)
        return;
    journal->room = 2 * (journal->size + size);
    journal->text = realloc(journal->text, journal->room);
    assert(journal->text);
}

void journal_say(struct journal *journal, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    need(journal, (size_t)size + 2);
    vsnprintf(journal->text + journal->size, (size_t)size + 1, format, values);
    journal->size += (size_t)size;
    memcpy(journal->text + journal->size, "\n", 2);
    journal->size++;
    journal->lines++;
}

const char *journal_text(const struct journal *journal)
{
    return journal->text ? journal->text : "";
}

/* Lines. */

static size_t length(const char *line)
{
    return strcspn(line, "\n");
}

static const char *next(const char *line)
{
    line += length(line);
    return *line ? line + 1 : line;
}

static bool is_same(const char *a, const char *b)
{
    return length(a) == length(b) && memcmp(a, b, length(a)) == 0;
}

/* A text taken apart. */
struct lines {
    const char **all;
    size_t count;
};

static struct lines take_apart(const char *text)
{
    struct lines lines = { 0 };
    for (const char *line = text; *line; line = next(line))
        lines.count++;
    lines.all = calloc(lines.count + 1, sizeof *lines.all);
    assert(lines.all);
    size_t i = 0;
    for (const char *line = text; *line; line = next(line))
        lines.all[i++] = line;
    return lines;
}

/* The difference. */

static void say(struct journal *to, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    journal_say(to, format, values);
    va_end(values);
}

static void say_lines(struct journal *to, char mark, const char **lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        say(to, "%c%.*s", mark, (int)length(lines[i]), lines[i]);
}

/* common[i * (m + 1) + j]: the length of the longest common part of a from i and b from j. */
static unsigned *find_common(const char **a, size_t n, const char **b, size_t m)
{
    unsigned *common = calloc((n + 1) * (m + 1), sizeof *common);
    assert(common);
    for (size_t i = n; i-- > 0;) {
        for (size_t j = m; j-- > 0;) {
            const unsigned *below = &common[(i + 1) * (m + 1) + j];
            unsigned right = common[i * (m + 1) + j + 1];
            unsigned best = *below > right ? *below : right;
            common[i * (m + 1) + j] = is_same(a[i], b[j]) ? below[1] + 1 : best;
        }
    }
    return common;
}

static void say_changes(struct journal *to, const char **a, size_t n, const char **b, size_t m)
{
    if (n * m > CELLS_MAX) {
        say_lines(to, '-', a, n);
        say_lines(to, '+', b, m);
        return;
    }
    unsigned *common = find_common(a, n, b, m);
    for (size_t i = 0, j = 0; i < n || j < m;) {
        if (i < n && j < m && is_same(a[i], b[j])) {
            say_lines(to, ' ', &a[i++], 1);
            j++;
        } else if (j == m ||
                   (i < n && common[(i + 1) * (m + 1) + j] >= common[i * (m + 1) + j + 1])) {
            say_lines(to, '-', &a[i++], 1);
        } else {
            say_lines(to, '+', &b[j++], 1);
        }
    }
    free(common);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool say_hunk(struct journal *to, const struct lines *a, const struct lines *b,
                     const char *old_name, const char *new_name)
{
    size_t shorter = least(a->count, b->count), head = 0, tail = 0;
    while (head < shorter && is_same(a->all[head], b->all[head]))
        head++;
    if (head == a->count && head == b->count)
        return false;
    while (tail < shorter - head &&
           is_same(a->all[a->count - 1 - tail], b->all[b->count - 1 - tail]))
        tail++;
    size_t before = least(head, CONTEXT), after = least(tail, CONTEXT);
    size_t n = a->count - head - tail, m = b->count - head - tail;
    say(to, "--- %s", old_name);
    say(to, "+++ %s", new_name);
    say(to, "@@ -%zu,%zu +%zu,%zu @@", head - before + 1, before + n + after, head - before + 1,
        before + m + after);
    say_lines(to, ' ', a->all + head - before, before);
    say_changes(to, a->all + head, n, b->all + head, m);
    say_lines(to, ' ', a->all + a->count - tail, after);
    return true;
}

bool journal_difference(const char *old_name, const char *old_text, const char *new_name,
                        const char *new_text, struct journal *to)
{
    struct lines a = take_apart(old_text), b = take_apart(new_text);
    bool differ = say_hunk(to, &a, &b, old_name, new_name);
    free(a.all);
    free(b.all);
    return differ;
}

/* What is expected. */

static bool is_gap(const char *line)
{
    return is_same(line, "...");
}

bool journal_follows(const char *text, const char *expected, const char **where)
{
    bool gap = false;
    for (; *expected; expected = next(expected)) {
        *where = expected;
        if (is_gap(expected)) {
            gap = true;
            continue;
        }
        while (gap && *text && !is_same(text, expected))
            text = next(text);
        if (!*text || !is_same(text, expected))
            return false;
        text = next(text);
        gap = false;
    }
    *where = expected;
    return gap || !*text;
}
