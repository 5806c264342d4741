/* The inbox: a stack that many push on and one takes whole, and a flag that says who must ring.
 *
 *      head ──> newest ──> ... ──> oldest ──> NULL        take() turns the chain round
 *      head ──> CLOSED                                    pushes are refused
 *
 * Nothing is ever popped singly, so a node cannot come back under a compare-exchange: no ABA.
 *
 * No wake-up is lost: the producer writes head and then reads asleep, the loop writes asleep and
 * then reads head, all four sequentially consistent, so at least one of the two sees the other.
 * Both write by a read-modify-write: qemu 7.2 lets a load pass a store before it (stlr, ldar of
 * aarch64). Both may: then the descriptor rings while the loop is awake, and one later wait ends
 * early.
 *
 * Costs: push 1 compare-exchange and 1 load while the loop is awake, plus 1 exchange and a write()
 * while it sleeps. */

#include "io/inbox.h"
#include "base/memory.h"
#include "io/fault.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int open_event_fd(void)
{
    if (wf_io_fault_hits(WF_FAULT_OPEN))
        return -errno;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int wf_inbox_new(struct wf_inbox **inbox)
{
    struct wf_inbox *made = wf_alloc_zero(sizeof *made);
    if (!made)
        return -ENOMEM;
    made->event_fd = open_event_fd();
    if (made->event_fd < 0) {
        int err = made->event_fd;
        wf_free(made);
        return err;
    }
    atomic_init(&made->head, NULL);
    atomic_init(&made->asleep, false);
    atomic_init(&made->references, 1);
    atomic_init(&made->wakes, 0);
    *inbox = made;
    return 0;
}

struct wf_inbox *wf_inbox_retain(struct wf_inbox *inbox)
{
    int before = atomic_fetch_add_explicit(&inbox->references, 1, memory_order_relaxed);
    wf_assert(before > 0);
    return inbox;
}

void wf_inbox_release(struct wf_inbox *inbox)
{
    if (!inbox)
        return;
    int before = atomic_fetch_sub_explicit(&inbox->references, 1, memory_order_acq_rel);
    wf_assert(before > 0);
    if (before > 1)
        return;
    close(inbox->event_fd);
    wf_free(inbox);
}

/* The descriptor is never read: edge-triggered, each write is an event of its own, and its counter
 * would take 2^64 of them. errno is the interrupted code's when this runs in a signal handler. */
static void ring(struct wf_inbox *inbox)
{
    int saved = errno;
    uint64_t one = 1;
    atomic_fetch_add_explicit(&inbox->wakes, 1, memory_order_relaxed);
    while (write(inbox->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

int wf_inbox_push(struct wf_inbox *inbox, struct wf_mail *mail)
{
    struct wf_mail *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        if (head == WF_INBOX_CLOSED)
            return -ESHUTDOWN;
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, mail, memory_order_seq_cst,
                                                    memory_order_relaxed));
    /* The mail is the loop's now, and may be gone. */
    if (atomic_load(&inbox->asleep) && atomic_exchange(&inbox->asleep, false))
        ring(inbox);
    return 0;
}

int wf_inbox_push_away(struct wf_inbox *inbox, struct wf_mail *mail)
{
    wf_inbox_retain(inbox);
    int err = wf_inbox_push(inbox, mail);
    wf_inbox_release(inbox);
    return err;
}

static struct wf_mail *oldest_first(struct wf_mail *newest)
{
    struct wf_mail *chain = NULL;
    while (newest) {
        struct wf_mail *next = newest->next;
        newest->next = chain;
        chain = newest;
        newest = next;
    }
    return chain;
}

struct wf_mail *wf_inbox_take(struct wf_inbox *inbox)
{
    if (wf_inbox_is_empty(inbox))
        return NULL;
    return oldest_first(atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire));
}

bool wf_inbox_fall_asleep(struct wf_inbox *inbox)
{
    atomic_exchange(&inbox->asleep, true);
    struct wf_mail *head = atomic_load(&inbox->head);
    if (!head || head == WF_INBOX_CLOSED)
        return true;
    wf_inbox_wake_up(inbox);
    return false;
}

void wf_inbox_wake_up(struct wf_inbox *inbox)
{
    atomic_store_explicit(&inbox->asleep, false, memory_order_relaxed);
}

struct wf_mail *wf_inbox_close(struct wf_inbox *inbox)
{
    struct wf_mail *left =
        atomic_exchange_explicit(&inbox->head, WF_INBOX_CLOSED, memory_order_acq_rel);
    return left == WF_INBOX_CLOSED ? NULL : oldest_first(left);
}
