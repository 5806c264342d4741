#include "floor/cross_floor.h"

#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static struct end {
    int event_fd, epoll_fd;
    char apart[64];
    _Atomic long word;
    char apart_too[64];
} ends[2];

static inline void rest(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void open_end(struct end *end)
{
    struct epoll_event event = { .events = EPOLLIN | (uint32_t)EPOLLET };
    end->event_fd = eventfd(0, EFD_NONBLOCK);
    end->epoll_fd = epoll_create1(0);
    if (end->event_fd < 0 || end->epoll_fd < 0 ||
        epoll_ctl(end->epoll_fd, EPOLL_CTL_ADD, end->event_fd, &event) < 0)
        fail("bench_cross");
}

static void close_end(const struct end *end)
{
    close(end->event_fd);
    close(end->epoll_fd);
}

static void wake(struct end *end, long word)
{
    uint64_t one = 1;
    atomic_store(&end->word, word);
    if (write(end->event_fd, &one, sizeof one) < 0)
        fail("bench_cross");
}

static void sleep_until(struct end *end, long word)
{
    struct epoll_event events[64];
    while (atomic_load(&end->word) != word)
        if (epoll_wait(end->epoll_fd, events, 64, -1) < 0)
            fail("bench_cross");
}

static void *answer_asleep(void *arg)
{
    const long *count = arg;
    bench_pin(-1);
    for (long i = 1; i <= *count; i++) {
        sleep_until(&ends[1], i);
        wake(&ends[0], i);
    }
    return NULL;
}

static void *answer_awake(void *arg)
{
    const long *count = arg;
    bench_pin(-1);
    for (long i = 1; i <= *count; i++) {
        while (atomic_load(&ends[1].word) != i)
            rest();
        atomic_store(&ends[0].word, i);
    }
    return NULL;
}

static void begin(pthread_t *thread, void *(*answer)(void *), long *count)
{
    for (int i = 0; i < 2; i++) {
        open_end(&ends[i]);
        atomic_store(&ends[i].word, 0);
    }
    if (pthread_create(thread, NULL, answer, count) != 0)
        fail("bench_cross");
}

static void end(pthread_t thread)
{
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++)
        close_end(&ends[i]);
}

double cross_floor_asleep(long count)
{
    pthread_t thread;
    begin(&thread, answer_asleep, &count);
    double start = bench_now_ns();
    for (long i = 1; i <= count; i++) {
        wake(&ends[1], i);
        sleep_until(&ends[0], i);
    }
    double ns = (bench_now_ns() - start) / (double)count;
    end(thread);
    return ns;
}

double cross_floor_awake(long count)
{
    pthread_t thread;
    begin(&thread, answer_awake, &count);
    double start = bench_now_ns();
    for (long i = 1; i <= count; i++) {
        atomic_store(&ends[1].word, i);
        while (atomic_load(&ends[0].word) != i)
            rest();
    }
    double ns = (bench_now_ns() - start) / (double)count;
    end(thread);
    return ns;
}
