/* Walks: pages that a cursor leads from one to the next.
 *
 *     cursor "0" ──> SCAN 0 ──> "17", [a, b] ──> SCAN 17 ──> "0", [c] ──> the end
 *
 * A page lies in an arena of its own, which the next page takes over. The cursor moves when a page
 * has come: whatever fails, a cancel too, leaves the walk where it was. */

#include "redis/call.h"
#include "redis/client.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <weft/error.h>

#define PAGE_MAX    ((size_t)16 << 20)
#define ARGS_MAX    9 /* HSCAN key cursor MATCH m COUNT n TYPE t */
#define CURSOR_SIZE 24

struct weft_redis_scan {
    weft_redis *redis;
    weft_arena *arena; /* this, and the texts of its command */
    weft_arena *page;
    weft_slice args[ARGS_MAX];
    size_t count;
    size_t cursor_at; /* which argument that is */
    char cursor[CURSOR_SIZE];
    bool has_pairs;
    bool is_last;                  /* the page, or there was none */
    const weft_redis_value *items; /* of the page; NULL: it has to be asked for */
    size_t next;
    const char *detail;
};

/* --- the beginning --- */

static int add(weft_redis_scan *scan, const char *text, size_t size)
{
    const char *copy = weft_arena_copy(scan->arena, text, size);
    if (!copy)
        return -ENOMEM;
    scan->args[scan->count++] = (weft_slice){ copy, size };
    return 0;
}

static int add_option(weft_redis_scan *scan, const char *word, const char *value)
{
    if (!value)
        return 0;
    int err = add(scan, word, strlen(word));
    return err < 0 ? err : add(scan, value, strlen(value));
}

static int add_count(weft_redis_scan *scan, uint32_t count)
{
    const char *text = count ? weft_arena_format(scan->arena, "%u", count) : NULL;
    return count && !text ? -ENOMEM : add_option(scan, "COUNT", text);
}

static int put_together(weft_redis_scan *scan, const struct weft_redis_scan_options *options,
                        const char *command)
{
    int err = add(scan, command, strlen(command));
    if (err == 0 && options->key.data)
        err = add(scan, options->key.data, options->key.size);
    scan->cursor_at = scan->count++;
    strcpy(scan->cursor, "0");
    if (err == 0)
        err = add_option(scan, "MATCH", options->match);
    if (err == 0)
        err = add_count(scan, options->count);
    return err < 0 ? err : add_option(scan, "TYPE", options->type);
}

/* The command as it is known here; NULL: it is none, or lacks something. */
static const char *find_command(const struct weft_redis_scan_options *options)
{
    static const char *const of_keys[] = { "HSCAN", "SSCAN", "ZSCAN" };
    const char *command = options->command ? options->command : "SCAN";
    if (strcasecmp(command, "SCAN") == 0)
        return options->key.data ? NULL : "SCAN";
    for (size_t i = 0; i < WF_ARRAY_SIZE(of_keys); i++)
        if (strcasecmp(command, of_keys[i]) == 0)
            return options->key.data && !options->type ? of_keys[i] : NULL;
    return NULL;
}

static weft_redis_scan *make(size_t page_max)
{
    weft_arena *arena, *page;
    if (weft_arena_new(&arena, SIZE_MAX) < 0)
        return NULL;
    weft_redis_scan *scan = weft_arena_alloc(arena, sizeof *scan);
    if (!scan || weft_arena_new(&page, page_max ? page_max : PAGE_MAX) < 0) {
        weft_arena_free(arena);
        return NULL;
    }
    *scan = (weft_redis_scan){ .arena = arena, .page = page, .detail = "" };
    return scan;
}

int weft_redis_scan_open_with(weft_redis_scan **scan, const struct weft_redis_scan_options *given)
{
    struct weft_redis_scan_options options = { .redis = NULL };
    size_t size = given->size && given->size < sizeof options ? given->size : sizeof options;
    memcpy(&options, given, size);
    const char *command = find_command(&options);
    if (!options.redis || !command)
        return -EINVAL;
    weft_redis_scan *made = make(options.page_max);
    if (!made)
        return -ENOMEM;
    made->redis = wf_redis_client_retain(options.redis);
    made->has_pairs = command[0] == 'H' || command[0] == 'Z';
    int err = put_together(made, &options, command);
    if (err < 0)
        weft_redis_scan_close(made);
    else
        *scan = made;
    return err;
}

/* --- pages --- */

static int refuse(weft_redis_scan *scan, const char *why)
{
    scan->detail = why;
    return WEFT_EPROTOCOL;
}

static int take_page(weft_redis_scan *scan, const weft_redis_value *value)
{
    const weft_redis_value *cursor = weft_redis_value_at(value, 0);
    const weft_redis_value *items = weft_redis_value_at(value, 1);
    bool is_page = items && value->count == 2 && cursor->size > 0 && cursor->size < CURSOR_SIZE;
    if (!is_page || (scan->has_pairs && items->count % 2 != 0))
        return refuse(scan, "the answer is no page of a scan");
    memcpy(scan->cursor, cursor->text, cursor->size + 1);
    scan->is_last = strcmp(scan->cursor, "0") == 0;
    scan->items = items;
    scan->next = 0;
    return 0;
}

static int ask_for_page(weft_redis_scan *scan)
{
    weft_redis_call call = {
        .redis = scan->redis, .arena = scan->page, .args = scan->args, .count = scan->count
    };
    scan->items = NULL;
    weft_arena_reset(scan->page);
    scan->args[scan->cursor_at] = weft_redis_text(scan->cursor);
    int err = weft_redis_send(&call);
    scan->detail = call.detail;
    return err < 0 ? err : take_page(scan, call.value);
}

static weft_slice text_of(const weft_redis_value *value)
{
    return (weft_slice){ value->text, value->size };
}

/* Scores may come as numbers. */
static int give_value(weft_redis_scan *scan, const weft_redis_value *value, weft_slice *text)
{
    *text = text_of(value);
    if (value->kind != WEFT_REDIS_DOUBLE)
        return 0;
    char digits[WF_RESP_DOUBLE_MAX];
    text->size = wf_resp_print_double(digits, value->number);
    text->data = weft_arena_copy(scan->page, digits, text->size);
    return text->data ? 0 : -ENOMEM;
}

int weft_redis_scan_next(weft_redis_scan *scan, weft_redis_item *item)
{
    while (!scan->items || scan->next == scan->items->count) {
        if (scan->items && scan->is_last)
            return 0;
        int err = ask_for_page(scan);
        if (err < 0)
            return err;
    }
    const weft_redis_value *element = &scan->items->elements[scan->next];
    weft_redis_item made = { .name = text_of(element), .value = { "", 0 } };
    int err = scan->has_pairs ? give_value(scan, element + 1, &made.value) : 0;
    if (err < 0)
        return err;
    scan->next += scan->has_pairs ? 2 : 1;
    *item = made;
    return 1;
}

const char *weft_redis_scan_detail(const weft_redis_scan *scan)
{
    return scan->detail;
}

void weft_redis_scan_close(weft_redis_scan *scan)
{
    if (!scan)
        return;
    wf_redis_client_release(scan->redis);
    weft_arena_free(scan->page);
    weft_arena_free(scan->arena);
}
