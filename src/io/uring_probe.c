/* Whether an entry that receives many times misses an end: no version tells, for fixes are carried
 * back, so it is tried, once in a process, by the first ring: some 0.1 ms. Later a program may have
 * closed the door behind it, and a loop has others to serve.
 *
 * Such an entry sleeps in the kernel until it is woken. When bytes and the end come so close to one
 * another that it has not run in between, kernels from 6.5 on receive the bytes, are told that the
 * socket holds no more, and forget the second wake-up: nobody hears of the end. (7.0 is mended, and
 * so are later ones of older lines.) A connection that is reset behind its last byte shows it. */

#include "io/uring_inside.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20  /* until what was sent on loopback is there: it may be shut */
#define TRIES       3   /* that show nothing: then it is the same as a miss */
#define LOOKS       512 /* in a try */
#define PROBE       (8u | WF_URING_NOTHING) /* whoever delivers it has nothing to do */

enum verdict { UNKNOWN, SEES, MISSES, UNTRIED };

/* A connection over loopback. */
struct trial {
    int listener, ours, peer;
};

static bool comes(int fd, short events)
{
    struct pollfd asked = { .fd = fd, .events = events };
    return poll(&asked, 1, PATIENCE_MS) == 1;
}

static int make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static bool connect_ends(struct trial *trial)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t size = sizeof address;
    if (bind(trial->listener, any, size) < 0 || listen(trial->listener, 1) < 0 ||
        getsockname(trial->listener, any, &size) < 0)
        return false;
    if (connect(trial->peer, any, size) < 0 && errno != EINPROGRESS)
        return false;
    if (comes(trial->peer, POLLOUT) && comes(trial->listener, POLLIN))
        trial->ours = accept4(trial->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return trial->ours >= 0;
}

static void close_ends(struct trial *trial)
{
    const int fds[] = { trial->listener, trial->ours, trial->peer };
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool arm(struct wf_uring *io, const struct trial *trial)
{
    struct io_uring_sqe *entry = wf_uring_entry(io);
    if (!entry)
        return false;
    wf_uring_prepare_many(entry, trial->ours, PROBE);
    wf_uring_hand_over(io);
    return true;
}

/* A byte and a reset behind it; true: both are there, and the entry has not run. */
static bool reset_behind_a_byte(struct trial *trial)
{
    struct linger now = { .l_onoff = 1 };
    bool sent = send(trial->peer, "x", 1, MSG_NOSIGNAL) == 1 &&
                setsockopt(trial->peer, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0;
    close(trial->peer);
    trial->peer = -1;
    return sent && comes(trial->ours, 0); /* an error, a hang-up */
}

static enum verdict judge(struct wf_uring *io, const struct wf_uring_completion *c)
{
    if (c->flags & IORING_CQE_F_BUFFER)
        wf_uring_many_return(io, wf_uring_buffer_of(c));
    if (c->flags & IORING_CQE_F_MORE)
        return MISSES;
    return c->result == -ECONNRESET ? SEES : UNKNOWN;
}

/* Of ours the last one counts. Those of others are left where they are. */
static enum verdict look(struct wf_uring *io)
{
    enum verdict verdict = UNKNOWN;
    for (size_t i = io->aside.taken; i < io->aside.count; i++) {
        struct wf_uring_completion *c = &io->aside.all[i];
        if (c->data != PROBE)
            continue;
        verdict = judge(io, c);
        c->data = WF_URING_NOTHING;
    }
    return verdict;
}

/* The kernel makes some twenty completions at a time, and those of a crowd may come first. */
static enum verdict look_until_seen(struct wf_uring *io)
{
    enum verdict verdict = UNKNOWN;
    for (int i = 0; i < LOOKS && verdict == UNKNOWN; i++) {
        wf_uring_enter(io, 0);
        if (!wf_uring_put_aside(io))
            return UNKNOWN;
        if (!wf_uring_overflows(io))
            verdict = look(io);
    }
    return verdict;
}

/* What the entry still has to say is about nothing. */
static enum verdict try_with(struct wf_uring *io, struct trial *trial)
{
    enum verdict verdict = UNKNOWN;
    if (!arm(io, trial))
        return UNKNOWN;
    if (reset_behind_a_byte(trial))
        verdict = look_until_seen(io);
    if (verdict != SEES) {
        wf_uring_cancel_data(io, PROBE);
        wf_uring_hand_over(io);
    }
    return verdict;
}

static enum verdict try_on_loopback(struct wf_uring *io)
{
    struct trial trial = { make_socket(), -1, make_socket() };
    enum verdict verdict = UNTRIED;
    if (trial.listener >= 0 && trial.peer >= 0)
        verdict = connect_ends(&trial) ? try_with(io, &trial) : UNKNOWN;
    close_ends(&trial);
    return verdict;
}

/* It is nobody's call, so no fault is meant for it. */
static enum verdict try(struct wf_uring *io)
{
    struct wf_io_fault *armed = wf_io_fault_armed;
    wf_io_fault_set(NULL);
    enum verdict verdict = UNTRIED;
    if (wf_uring_many_open(io) == 0)
        verdict = try_on_loopback(io);
    wf_uring_many_close(io);
    wf_io_fault_set(armed);
    return verdict;
}

/* Two threads may both try: the first verdict stands. */
bool wf_uring_sees_ends(struct wf_uring *io)
{
    static atomic_int known, tries;
    int verdict = atomic_load(&known), unknown = UNKNOWN;
    if (verdict != UNKNOWN)
        return verdict == SEES;
    verdict = (int)try(io);
    if (verdict == UNTRIED || (verdict == UNKNOWN && atomic_fetch_add(&tries, 1) + 1 < TRIES))
        return false;
    atomic_compare_exchange_strong(&known, &unknown, verdict == SEES ? SEES : MISSES);
    return atomic_load(&known) == SEES;
}
