/* GET /stats: what the page shows, as JSON.
 *
 *     { "deadline_ms": 300, "split": false, "rate": 500,
 *       "services": [ { "name": "catalog", "state": "ok", "latency_ms": 20, "lives": true,
 *                       "process": 0 }, … ],
 *       "store": { "inside": true, "lives": true, "keys": 1000 },
 *       "blocks": { "seen": 2, "list": [ { "who": "stock", "loop": "gateway", "ms": 400.2,
 *                                          "ago_ms": 1200, "goes_on": false, "text": "…" }, … ] },
 *       "windows": [ { "second": 31, "weft": { … }, "threads": null, "store": { … } }, … ] } */

#include "loops.h"

#include <errno.h>

/* JSON in the making: the first failure stays. */
struct json {
    weft_buffer buffer;
    int err;
};

#define PUT(json, ...)                                                                             \
    ((json)->err =                                                                                 \
         (json)->err < 0 ? (json)->err : weft_buffer_append_format(&(json)->buffer, __VA_ARGS__))

static double ms(int64_t ns)
{
    return (double)ns / (double)WEFT_MILLISECOND;
}

static const char *truth(bool is_true)
{
    return is_true ? "true" : "false";
}

static void put_services(struct json *json, const struct stage *stage)
{
    const struct side *side = &stage->shop->board->sides[SIDE_WEFT];
    for (int i = 0; i < STOREFRONT_PARTS; i++) {
        int process = (int)atomic_load(&side->processes[i]);
        bool lives = stage->split ? process != 0 : stage->shop->services[i].task != NULL;
        PUT(json,
            "%s{\"name\":\"%s\",\"state\":\"%s\",\"latency_ms\":%.0f,\"lives\":%s,\"process\":%d}",
            i > 0 ? "," : "", part_names[i], stage_state_names[stage->states[i]],
            ms(stage->latency[i]), truth(lives), process);
    }
}

static void put_block(struct json *json, const struct block *block, bool goes_on, bool first)
{
    char text[96];
    block_describe(block, text, sizeof text);
    PUT(json,
        "%s{\"who\":\"%s\",\"loop\":\"%s\",\"ms\":%.1f,\"ago_ms\":%.0f,\"goes_on\":%s,"
        "\"text\":\"%s\"}",
        first ? "" : ",", block->who < 0 ? "" : part_names[block->who], pulse_name(block->loop),
        ms(block->duration), ms(weft_now() - block->start - block->duration), truth(goes_on), text);
}

static void put_blocks(struct json *json, const struct view *view)
{
    bool first = true;
    for (int i = 0; i < STOREFRONT_PULSES; i++)
        if (view->going_on[i].start != 0) {
            put_block(json, &view->going_on[i], true, first);
            first = false;
        }
    for (int i = 0; i < view->block_count; i++) {
        put_block(json, &view->blocks[i], false, first);
        first = false;
    }
}

static void put_figures(struct json *json, const char *name, const struct figures *figures)
{
    if (!figures->runs) {
        PUT(json, ",\"%s\":null", name);
        return;
    }
    const uint64_t *outcomes = figures->outcomes;
    PUT(json,
        ",\"%s\":{\"by_clients\":%s,\"processes\":%d,\"threads\":%d,\"memory\":%lld,\"cpu\":%.3f,"
        "\"in_flight\":%lld,\"rate\":%.1f,\"p50\":%.2f,\"p99\":%.2f,\"health_p99\":%.2f,",
        name, truth(figures->by_clients), figures->processes, figures->threads,
        (long long)figures->resident, figures->cpu, (long long)figures->in_flight, figures->rate,
        ms(figures->p50), ms(figures->p99), ms(figures->health_p99));
    PUT(json,
        "\"whole\":%llu,\"degraded\":%llu,\"absent\":%llu,\"late\":%llu,\"failed\":%llu,"
        "\"lost\":%llu,\"missed\":%llu,\"parts\":[",
        (unsigned long long)outcomes[OUTCOME_WHOLE], (unsigned long long)outcomes[OUTCOME_DEGRADED],
        (unsigned long long)outcomes[OUTCOME_ABSENT], (unsigned long long)outcomes[OUTCOME_LATE],
        (unsigned long long)outcomes[OUTCOME_FAILED], (unsigned long long)outcomes[OUTCOME_LOST],
        (unsigned long long)figures->missed);
    for (int i = 0; i < STOREFRONT_PARTS; i++)
        PUT(json, "%s{\"p99\":%.2f,\"stopped\":%s}", i > 0 ? "," : "", ms(figures->part_p99[i]),
            truth(figures->part_states[i] == 'T'));
    PUT(json, "]}");
}

static void put_store_second(struct json *json, const struct store_second *store)
{
    PUT(json,
        ",\"store\":{\"asked\":%llu,\"failed\":%llu,\"p99\":%.2f,\"hits\":%llu,\"misses\":%llu,"
        "\"shared\":%llu}",
        (unsigned long long)store->asked, (unsigned long long)store->failed, ms(store->p99),
        (unsigned long long)store->hits, (unsigned long long)store->misses,
        (unsigned long long)store->shared);
}

static void put_windows(struct json *json, const struct view *view)
{
    for (int i = 0; i < view->window_count; i++) {
        const struct window *window = &view->windows[i];
        PUT(json, "%s{\"second\":%lld", i > 0 ? "," : "", (long long)window->second);
        put_figures(json, "weft", &window->sides[SIDE_WEFT]);
        put_figures(json, "threads", &window->sides[SIDE_THREADS]);
        put_store_second(json, &window->store);
        PUT(json, "}");
    }
}

/* One that is elsewhere lives when it has answered lately, or was not asked yet. */
static void put_store(struct json *json, struct stage *stage)
{
    bool inside = stage->shop->store.is_embedded;
    long long keys = stage_count_keys(stage);
    bool lives = inside ? store_lives(&stage->shop->store) : keys >= 0 || stage->store_counted == 0;
    PUT(json, "],\"store\":{\"inside\":%s,\"lives\":%s,\"keys\":%lld", truth(inside), truth(lives),
        lives ? keys : -1);
}

static void put_all(struct json *json, struct stage *stage, const struct view *view)
{
    PUT(json, "{\"deadline_ms\":%.0f,\"split\":%s,\"loops\":%u,\"rate\":%d,\"services\":[",
        ms(stage->shop->board->deadline), truth(stage->split), stage->loops->count, stage->rate);
    put_services(json, stage);
    put_store(json, stage);
    PUT(json, "},\"blocks\":{\"seen\":%llu,\"list\":[", (unsigned long long)view->blocks_seen);
    put_blocks(json, view);
    PUT(json, "]},\"windows\":[");
    put_windows(json, view);
    PUT(json, "]}\n");
}

int stage_stats(weft_http *http, void *app)
{
    struct stage *stage = ((struct storefront *)app)->stage;
    const char *since = weft_http_query(http, "since");
    int second = since != NULL ? read_number(since) : 0;
    struct view *view = weft_arena_alloc(http->arena, sizeof *view);
    if (view == NULL)
        return -ENOMEM;
    observer_view(stage->observer, second > 0 ? second : 0, view);

    struct json json = { .err = 0 };
    weft_buffer_init(&json.buffer, (size_t)1 << 20);
    put_all(&json, stage, view);
    weft_slice text = weft_buffer_slice(&json.buffer, 0, weft_buffer_readable(&json.buffer));
    weft_http_set_header(http, "Cache-Control", "no-store");
    int err = json.err < 0 ? json.err
                           : weft_http_send(http, 200, "application/json", text.data, text.size);
    weft_buffer_fini(&json.buffer);
    return err;
}
