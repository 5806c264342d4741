#include "load.h"

#include "storefront.h"
#include "weft-load/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 1000 /* who may wait at one time, unless it is a crowd */
#define PIECES      "{\"pieces\":"
#define PATIENCE    (20 * WEFT_SECOND)
#define CATCH_UP    WEFT_SECOND /* behind by more than this, nobody asks for what was due */

/* Requests that are due one after the other. */
struct rhythm {
    int64_t interval; /* 0: there are none */
    int64_t next;     /* when one is due */
    int64_t left;
};

/* A page, but for the number of pieces, which only falls: what stands before it, and behind. */
struct wanted {
    const char *head, *whole, *degraded;
    int stock;
};

struct load {
    struct side *side;
    struct engine *clients, *prober;
    struct rhythm pages, probes;
    int crowd;          /* clients that ask at once; 0: no crowd */
    bool crowd_gathers; /* they have not asked yet */
    bool probing;       /* a probe is under way */
    int pending;        /* pages that were begun and have not ended */
    uint32_t dice;
    struct target *targets; /* the page of product n is n - 1 … */
    struct wanted *wanted;  /* … and this is what it says */
    int products;
    struct target health;
};

/* --- What the answers have to be. --- */

static bool want(struct wanted *wanted, weft_arena *arena, const struct product *product)
{
    const char *catalog = catalog_text(arena, product), *price = price_text(arena, product);
    const char *reviews = reviews_text(arena, product);
    if (catalog == NULL || price == NULL || reviews == NULL)
        return false;
    const char *whole = page_text(arena, catalog, price, PIECES "}", reviews);
    const char *degraded = page_text(arena, catalog, price, PIECES "}", NULL);
    if (whole == NULL || degraded == NULL)
        return false;
    const char *number = strstr(whole, PIECES) + strlen(PIECES);
    wanted->head = weft_arena_copy(arena, whole, (size_t)(number - whole));
    wanted->whole = number;
    wanted->degraded = strstr(degraded, PIECES) + strlen(PIECES);
    wanted->stock = product->stock;
    return wanted->head != NULL;
}

static int aim(struct target *target, const char *address, const char *path)
{
    static const char *const headers[] = { "Host: load" };
    static const struct request_options options = { .headers = headers, .header_count = 1 };
    char url[TARGET_TEXT_MAX], why[TARGET_TEXT_MAX];
    snprintf(url, sizeof url, "http://%s%s", address, path);
    return target_init(target, url, &options, why);
}

/* A target and its text for each product. */
static int prepare(struct load *load, const char *address, const struct products *products)
{
    load->wanted = calloc((size_t)products->count, sizeof *load->wanted);
    load->targets = calloc((size_t)products->count, sizeof *load->targets);
    if (load->wanted == NULL || load->targets == NULL)
        return -ENOMEM;
    int err = aim(&load->health, address, "/health");
    for (; load->products < products->count && err == 0; load->products++) {
        char path[32];
        snprintf(path, sizeof path, "/product/%d", load->products + 1);
        if (!want(&load->wanted[load->products], products->arena, &products->list[load->products]))
            return -ENOMEM;
        err = aim(&load->targets[load->products], address, path);
    }
    return err;
}

/* Digits, as many as belong to a number that there may be; 0: it is none. */
static size_t count_digits(const char *text, size_t size, int most)
{
    size_t count = 0;
    int64_t number = 0;
    while (count < size && count < 9 && text[count] >= '0' && text[count] <= '9')
        number = number * 10 + (text[count++] - '0');
    return number <= most ? count : 0;
}

static bool is_page(const char *body, size_t size, const struct wanted *wanted, const char *tail)
{
    size_t head = strlen(wanted->head);
    if (size < head || memcmp(body, wanted->head, head) != 0)
        return false;
    size_t digits = count_digits(body + head, size - head, wanted->stock);
    size_t rest = size - head - digits;
    return digits > 0 && rest == strlen(tail) && memcmp(body + size - rest, tail, rest) == 0;
}

static enum outcome judge(const struct load *load, const struct ending *ending)
{
    const struct wanted *wanted = &load->wanted[ending->target - load->targets];
    if (ending->fault != FAULT_NONE)
        return OUTCOME_LOST;
    if (ending->status == 200 && is_page(ending->body, (size_t)ending->size, wanted, wanted->whole))
        return OUTCOME_WHOLE;
    if (ending->status == 200 &&
        is_page(ending->body, (size_t)ending->size, wanted, wanted->degraded))
        return OUTCOME_DEGRADED;
    return ending->status == 504   ? OUTCOME_LATE
           : ending->status == 502 ? OUTCOME_FAILED
                                   : OUTCOME_LOST;
}

/* --- What became of them. --- */

static void note_loss(const struct load *load, const struct ending *ending)
{
    if (ending->fault == FAULT_NONE)
        return;
    int error = ending->fault == FAULT_MALFORMED ? EPROTO : ECONNRESET;
    side_refuse(load->side, REFUSED_ANSWER, ending->error != 0 ? ending->error : error);
}

static void on_page(void *context, const struct ending *ending)
{
    struct load *load = context;
    note_loss(load, ending);
    flow_end(&load->side->asked, ending->due, judge(load, ending));
    load->pending--;
}

static void on_probe(void *context, const struct ending *ending)
{
    struct load *load = context;
    note_loss(load, ending);
    if (ending->fault == FAULT_NONE)
        histogram_add(&load->side->health, ending->at - ending->due);
    load->probing = false;
}

/* --- Asking. --- */

static struct target *draw_product(struct load *load)
{
    load->dice = load->dice * 1664525u + 1013904223u;
    return &load->targets[(int)(load->dice >> 8) % load->products];
}

static void page_is_due(struct load *load, int64_t due)
{
    if (!engine_has_place(load->clients, &load->targets[0])) {
        atomic_fetch_add(&load->side->missed, 1);
        return;
    }
    flow_begin(&load->side->asked);
    load->pending++;
    engine_ask(load->clients, draw_product(load), due, false);
}

/* All have connected: now they ask in one moment. */
static void crowd_ask(struct load *load)
{
    int64_t now = weft_now();
    load->crowd_gathers = false;
    for (int i = 0; i < load->crowd; i++)
        page_is_due(load, now);
}

/* The next due time that has come, or 0. What is long overdue is skipped. */
static int64_t take_due(struct rhythm *rhythm, int64_t now)
{
    if (rhythm->interval == 0 || rhythm->left == 0 || rhythm->next > now)
        return 0;
    if (now - rhythm->next > CATCH_UP)
        rhythm->next = now;
    int64_t due = rhythm->next;
    rhythm->next += rhythm->interval;
    rhythm->left--;
    return due;
}

/* The prober has one connection: its requests queue, and their times count from when they were due.
 */
static bool probe(struct load *load, int64_t now)
{
    int64_t due = load->probing ? 0 : take_due(&load->probes, now);
    if (due == 0)
        return false;
    load->probing = true;
    engine_ask(load->prober, &load->health, due, false);
    return true;
}

/* Whether anything was due. */
static bool on_time(struct load *load)
{
    int64_t now = weft_now(), due;
    bool some = false;
    while ((due = take_due(&load->pages, now)) != 0) {
        page_is_due(load, due);
        some = true;
    }
    return probe(load, now) || some;
}

static bool is_over(const struct load *load)
{
    bool asks = load->pages.interval != 0 && load->pages.left != 0;
    bool probes = load->probes.interval != 0 && (load->probes.left != 0 || load->probing);
    return !asks && !probes && !load->crowd_gathers && load->pending == 0;
}

/* When the next request is due. */
static int64_t next_due(const struct load *load)
{
    int64_t next = INT64_MAX;
    if (load->pages.interval != 0 && load->pages.left != 0)
        next = load->pages.next;
    if (load->probes.interval != 0 && load->probes.left != 0 && !load->probing &&
        load->probes.next < next)
        next = load->probes.next;
    return next;
}

static int run(struct load *load)
{
    int64_t moved = weft_now(); /* when something happened last */
    if (load->crowd > 0)
        engine_gather(load->clients);
    while (!is_over(load)) {
        bool moves = engine_turn(load->clients, next_due(load)) > 0;
        if (load->crowd_gathers && !engine_is_gathering(load->clients))
            crowd_ask(load);
        moves |= on_time(load);
        if (moves)
            moved = weft_now();
        else if (next_due(load) == INT64_MAX && weft_now() - moved > PATIENCE)
            return -ETIMEDOUT;
    }
    return 0;
}

/* --- Beginning and end. --- */

bool load_reaches(const char *address)
{
    struct target target;
    if (aim(&target, address, "/") < 0)
        return false;
    target_fini(&target);
    return true;
}

static void begin_rhythm(struct rhythm *rhythm, int rate, int count)
{
    *rhythm = (struct rhythm){ .interval = rate > 0 ? WEFT_SECOND / rate : 0,
                               .next = weft_now(),
                               .left = count > 0 ? count : INT64_MAX };
}

static bool read_words(struct load *load, char **words)
{
    int rate = 0, count = 0, probe = 0, probes = 0;
    for (; words[0] != NULL && words[1] != NULL; words += 2) {
        int *number = strcmp(words[0], "rate") == 0     ? &rate
                      : strcmp(words[0], "count") == 0  ? &count
                      : strcmp(words[0], "probe") == 0  ? &probe
                      : strcmp(words[0], "probes") == 0 ? &probes
                      : strcmp(words[0], "crowd") == 0  ? &load->crowd
                                                        : NULL;
        if (number == NULL || (*number = read_number(words[1])) < 0)
            return false;
    }
    begin_rhythm(&load->pages, rate, count);
    begin_rhythm(&load->probes, probe, probes);
    load->crowd_gathers = load->crowd > 0;
    return words[0] == NULL;
}

static int open_load(struct load *load)
{
    struct engine_options options = { .targets = load->targets,
                                      .target_count = load->products,
                                      .connections = load->crowd > 0 ? load->crowd : CLIENTS_MAX,
                                      .check_every = -1,
                                      .collect = true,
                                      .retry = true,
                                      .tireless = true,
                                      .newest_first = true,
                                      .ended = on_page,
                                      .context = load };
    load->clients = engine_new(&options);
    if (load->clients == NULL)
        return -errno;
    options.targets = &load->health;
    options.target_count = options.connections = 1;
    options.ended = on_probe;
    options.with = load->clients;
    load->prober = engine_new(&options);
    return load->prober != NULL ? 0 : -errno;
}

static void close_load(struct load *load)
{
    engine_free(load->prober);
    engine_free(load->clients);
    for (int i = 0; i < load->products; i++)
        target_fini(&load->targets[i]);
    target_fini(&load->health);
    free(load->targets);
    free(load->wanted);
}

int load_main(struct board *board, const struct products *products, char **words)
{
    struct load load = { .dice = 1 };
    if (words[0] == NULL || words[1] == NULL || !load_reaches(words[1]) ||
        !read_words(&load, words + 2))
        return -EINVAL;
    load.side = &board->sides[strcmp(words[0], "threads") == 0 ? SIDE_THREADS : SIDE_WEFT];
    int err = prepare(&load, words[1], products);
    if (err >= 0)
        err = open_load(&load);
    if (err >= 0)
        err = run(&load);
    close_load(&load);
    return err;
}
