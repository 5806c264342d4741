#ifndef WF_IO_INBOX_H
#define WF_IO_INBOX_H

/* Messages from other threads and from signal handlers to a loop.
 *
 * A lock-free stack that producers push on and the loop takes whole. The loop says "asleep" before
 * it blocks; only the producer that finds it asleep makes a system call, so a loop that is awake
 * costs its producers none:
 *
 *        producer: push; if (exchange(asleep, false)) write(event_fd)
 *        loop:     asleep = true; if (empty) block; asleep = false; take
 *
 * The inbox is counted and outlives its loop: after close() a push answers -ESHUTDOWN, and the
 * memory and the event descriptor go with the last reference. Everything a producer calls is
 * async-signal-safe. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Embedded in the message; belongs to the inbox from a successful push until it is taken. */
struct wf_mail {
    struct wf_mail *next;
    /* On the loop's thread; closed: the loop is closing and will not run anything. */
    void (*deliver)(struct wf_mail *mail, bool closed);
};

/* What `head` holds after close(); not an address. */
#define WF_INBOX_CLOSED ((struct wf_mail *)1)

struct wf_inbox {
    _Atomic(struct wf_mail *) head; /* newest first; the CLOSED mark after close() */
    atomic_bool asleep;
    atomic_int references;
    atomic_ulong wakes; /* system calls made to wake the loop */
    int event_fd;       /* registered edge-triggered and never read */
};

/* One reference, the caller's. Errors: -ENOMEM, -EMFILE. */
int wf_inbox_new(struct wf_inbox **inbox);
struct wf_inbox *wf_inbox_retain(struct wf_inbox *inbox);
void wf_inbox_release(struct wf_inbox *inbox);

/* Any thread, signal handlers; who pushes holds a reference until this returns, because the loop
 * may have the mail, and be gone, before then.
 * Errors: -ESHUTDOWN: closed, the mail stays the caller's. */
int wf_inbox_push(struct wf_inbox *inbox, struct wf_mail *mail);

/* The same for who holds the inbox by nothing but what the mail is a part of, and gives away with
 * it. */
int wf_inbox_push_away(struct wf_inbox *inbox, struct wf_mail *mail);

/* Only the loop's thread, from here on. */

static inline bool wf_inbox_is_empty(const struct wf_inbox *inbox)
{
    struct wf_mail *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    return !head || head == WF_INBOX_CLOSED;
}

/* Take everything, oldest first, as a chain through `next`; NULL when empty. */
struct wf_mail *wf_inbox_take(struct wf_inbox *inbox);

/* Before blocking: false when there is mail and the loop must not block. Closed: true. */
bool wf_inbox_fall_asleep(struct wf_inbox *inbox);
void wf_inbox_wake_up(struct wf_inbox *inbox);

/* Refuse what comes from now on; returns what was left, oldest first. */
struct wf_mail *wf_inbox_close(struct wf_inbox *inbox);

#endif
