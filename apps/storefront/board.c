#include "board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/loop.h>

const char *const part_names[STOREFRONT_PROCESSES] = { "catalog", "price", "stock", "reviews",
                                                       "gateway" };

const char *pulse_name(int pulse)
{
    return part_names[pulse < STOREFRONT_PROCESSES ? pulse : STOREFRONT_GATEWAY];
}

bool block_is_due(const struct dial *dial, _Atomic int64_t *next)
{
    if (atomic_load(&dial->block) == 0)
        return false;
    int64_t now = weft_now(), due = atomic_load(next);
    return now >= due && atomic_compare_exchange_strong(next, &due, now + BLOCK_INTERVAL);
}

int64_t flow_begin(struct flow *flow)
{
    int64_t now = weft_now();
    int64_t count = atomic_fetch_add(&flow->in_flight, 1) + 1;
    int64_t max = atomic_load(&flow->in_flight_max);
    while (count > max && !atomic_compare_exchange_weak(&flow->in_flight_max, &max, count))
        ;
    atomic_store(&flow->begun_at, now);
    return now;
}

void flow_end(struct flow *flow, int64_t start, enum outcome outcome)
{
    histogram_add(&flow->latency, weft_now() - start);
    atomic_fetch_add(&flow->outcomes[outcome], 1);
    atomic_fetch_sub(&flow->in_flight, 1);
}

void side_refuse(struct side *side, enum refused refused, int error)
{
    int nothing = REFUSED_NOTHING;
    if (atomic_compare_exchange_strong(&side->refused, &nothing, (int)refused))
        atomic_store(&side->refusal, error);
}

static struct board *map(int file)
{
    void *memory = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

struct board *board_new(void)
{
    int file = memfd_create("storefront", MFD_CLOEXEC);
    if (file < 0)
        return NULL;
    struct board *board = ftruncate(file, sizeof *board) == 0 ? map(file) : NULL;
    if (board == NULL) {
        close(file);
        return NULL;
    }
    board->file = file;
    board->deadline = 300 * WEFT_MILLISECOND;
    return board;
}

struct board *board_attach(void)
{
    /* The parent gave it without close-on-exec; a child has no children. */
    struct board *board = map(BOARD_FILE);
    if (board != NULL)
        close(BOARD_FILE);
    return board;
}

void board_free(struct board *board)
{
    if (board == NULL)
        return;
    close(board->file);
    munmap(board, sizeof *board);
}
