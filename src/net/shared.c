/* Addresses that several loops of a group listen on.
 *
 * A socket is opened once, by whoever comes first, and each loop that listens on the same address
 * gets a descriptor of its own for it:
 *
 *     the group ── share "127.0.0.1:8080" ── seat of loop 0's listener ── descriptor 7 ─┐
 *                                         └─ seat of loop 1's listener ── descriptor 9 ─┴ socket
 *
 * There is one queue of clients, and whoever is idle takes the next. A loop is known to the kernel
 * only while it waits for a client (EPOLLEXCLUSIVE, in the order in which they began to wait): so a
 * client wakes one loop, idle ones take turns, and one that is full, drains or is held up takes
 * nobody from the others. When one loop stops nothing is lost: the queue is the others'. With
 * SO_REUSEPORT each loop would have a queue of its own, which dies with it and waits for it when it
 * is held up; and other programs of the user could bind the port too.
 *
 * A loop listens on an address once. So the n-th weft_listen() on "127.0.0.1:0" in each loop is the
 * same port: a loop takes a seat at the oldest share with that text at which it has none. The text
 * of the port itself is as good.
 *
 * A name in memory is a share without a socket: a loop that has the name serves itself. One that
 * has not is connected to a peer that has, by a pair of sockets of which the peer is given one.
 *
 * weft_serve(.hand_out): of those that take clients the lowest loop accepts for all, and gives the
 * sockets away by mail. Where one arrives the listener is found by its serial; when that is gone
 * the socket goes on to another one that takes clients, and is closed where there is none.
 *
 * Everything here is guarded by the group's lock. */

#include "net/shared.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/group.h"
#include "net/listener.h"
#include "net/socket.h"

#include <string.h>
#include <weft/error.h>

#define TEXT_MAX 320 /* of an address: a host has 255 */

struct wf_share {
    struct wf_list link;    /* in the group's */
    struct wf_list seats;   /* struct wf_share_seat */
    struct wf_address last; /* of a socket */
    struct wf_socket_file file;
    uint64_t serial;
    unsigned turn;       /* of the loop that was given something last */
    char text[TEXT_MAX]; /* as it was asked for */
    char address[128];   /* as it is; "": a name in memory */
};

static weft_listener *listener_of(const struct wf_share_seat *seat)
{
    return wf_container(seat, weft_listener, seat);
}

static struct wf_group *group_of(const weft_listener *listener)
{
    return listener->loop->group;
}

static struct wf_share_seat *seat_at(const struct wf_list *link)
{
    return wf_container(link, struct wf_share_seat, link);
}

/* Of listeners and of shares. */
static uint64_t next_serial(void)
{
    static _Atomic uint64_t serials;
    return atomic_fetch_add(&serials, 1) + 1;
}

/* Finding and making. */

static bool has_seat(const struct wf_share *share, const weft_loop *loop)
{
    WF_LIST_EACH(link, &share->seats)
        if (listener_of(seat_at(link))->loop == loop)
            return true;
    return false;
}

static bool is_named(const struct wf_share *share, const char *text)
{
    return strcmp(share->text, text) == 0 || strcmp(share->address, text) == 0;
}

/* The oldest at which the loop has no seat. */
static struct wf_share *find_free(struct wf_group *group, const char *text, const weft_loop *loop)
{
    WF_LIST_EACH(link, &group->shared) {
        struct wf_share *share = wf_container(link, struct wf_share, link);
        if (is_named(share, text) && !has_seat(share, loop))
            return share;
    }
    return NULL;
}

static struct wf_share *new_share(struct wf_group *group, const char *text)
{
    size_t size = strlen(text);
    struct wf_share *share = size < TEXT_MAX ? wf_alloc_zero(sizeof *share) : NULL;
    if (!share)
        return NULL;
    memcpy(share->text, text, size);
    share->serial = next_serial();
    wf_list_init(&share->seats);
    wf_list_push_back(&group->shared, &share->link);
    return share;
}

static void free_share(struct wf_share *share)
{
    wf_list_remove(&share->link);
    wf_free(share);
}

static void sit_down(struct wf_share *share, weft_listener *listener, int fd)
{
    struct wf_list *before = &share->seats;
    WF_LIST_EACH(link, &share->seats)
        if (listener_of(seat_at(link))->loop->index < listener->loop->index)
            before = link;
    wf_list_push_front(before, &listener->seat.link); /* behind it */
    listener->seat.share = share;
    listener->seat.serial = next_serial();
    listener->seat.fd = fd;
    listener->seat.takes = false;
}

/* Opening. */

static int open_first(struct wf_share *share, weft_listener *listener)
{
    int fd = wf_socket_listen(&listener->address, (int)listener->backlog_max,
                              listener->options.delay, &share->file);
    if (fd < 0)
        return fd;
    share->last = listener->address;
    wf_address_format(&share->last, share->address, sizeof share->address);
    return fd;
}

static int open_again(const struct wf_share *share, weft_listener *listener)
{
    const struct wf_share_seat *other = seat_at(share->seats.next);
    int fd = wf_socket_duplicate(other->fd);
    if (fd >= 0)
        listener->address = share->last;
    return fd;
}

static int open_locked(weft_listener *listener, const char *text)
{
    struct wf_group *group = group_of(listener);
    struct wf_share *share = find_free(group, text, listener->loop);
    bool is_first = !share;
    if (is_first)
        share = new_share(group, text);
    if (!share)
        return -ENOMEM;
    int fd = is_first ? open_first(share, listener) : open_again(share, listener);
    if (fd >= 0)
        sit_down(share, listener, fd);
    else if (is_first)
        free_share(share);
    return fd;
}

int wf_share_open(weft_listener *listener, const char *text)
{
    wf_lock(&group_of(listener)->lock);
    int fd = open_locked(listener, text);
    wf_unlock(&group_of(listener)->lock);
    return fd;
}

int wf_share_open_name(weft_listener *listener, const char *text)
{
    struct wf_group *group = group_of(listener);
    wf_lock(&group->lock);
    struct wf_share *share = find_free(group, text, listener->loop);
    if (!share)
        share = new_share(group, text);
    if (share)
        sit_down(share, listener, -1);
    wf_unlock(&group->lock);
    return share ? 0 : -ENOMEM;
}

/* Mail to a listener of another loop: a socket, or the news that others have come or gone. */

struct gift {
    struct wf_mail mail;
    weft_loop *loop;
    uint64_t serial; /* of the listener */
    uint64_t share;  /* likewise of the address */
    int fd;          /* -1: news */
};

static weft_listener *find_listener(const weft_loop *loop, uint64_t serial)
{
    const struct wf_net *net = loop->net;
    if (!net)
        return NULL;
    WF_LIST_EACH(link, &net->listeners) {
        weft_listener *listener = wf_container(link, weft_listener, link);
        if (listener->seat.serial == serial)
            return listener;
    }
    return NULL;
}

static bool pass_on(struct wf_group *group, uint64_t serial, int fd);

static void deliver(struct wf_mail *mail, bool closed)
{
    struct gift *gift = wf_container(mail, struct gift, mail);
    weft_listener *listener = closed ? NULL : find_listener(gift->loop, gift->serial);
    const weft_loop *loop = gift->loop;
    uint64_t share = gift->share;
    int fd = gift->fd;
    wf_free(gift);
    if (listener && fd < 0)
        wf_listener_look_again(listener);
    else if (listener)
        wf_listener_receive(listener, fd);
    else if (fd >= 0 && !pass_on(loop->group, share, fd))
        wf_socket_discard(fd);
}

static int send_gift(struct wf_share_seat *seat, int fd)
{
    weft_loop *loop = listener_of(seat)->loop;
    struct gift *gift = wf_alloc(sizeof *gift);
    if (!gift)
        return -ENOMEM;
    *gift = (struct gift){ { NULL, deliver }, loop, seat->serial, seat->share->serial, fd };
    int err = wf_inbox_push(loop->inbox, &gift->mail);
    if (err < 0) {
        seat->takes = false; /* its loop has ended, and left it behind */
        wf_free(gift);
    }
    return err;
}

/* Without memory they learn it with the next client. */
static void tell_others(const weft_listener *listener)
{
    const struct wf_share *share = listener->seat.share;
    WF_LIST_EACH(link, &share->seats)
        if (seat_at(link) != &listener->seat)
            send_gift(seat_at(link), -1);
}

/* Closing. */

static void stand_up(weft_listener *listener)
{
    struct wf_share *share = listener->seat.share;
    tell_others(listener);
    wf_list_remove(&listener->seat.link);
    listener->seat.share = NULL;
    listener->seat.serial = 0;
    if (!wf_list_is_empty(&share->seats))
        return;
    if (share->address[0])
        wf_socket_unlink(&share->last, &share->file);
    free_share(share);
}

/* Under the lock to its end: who opens the address next must not find it in use. */
void wf_share_close(weft_listener *listener)
{
    weft_loop *loop = listener->loop;
    if (!listener->seat.share)
        return;
    wf_lock(&loop->group->lock);
    stand_up(listener);
    if (listener->descriptor.fd >= 0)
        loop->io_ops->release(loop->io, &listener->descriptor);
    else if (listener->seat.fd >= 0)
        wf_socket_discard(listener->seat.fd); /* the driver has not taken it */
    listener->seat.fd = -1;
    wf_unlock(&loop->group->lock);
}

/* Names of other loops. */

/* Whose turn it is among the seats for which `fits`: the first behind the loop that had the last;
 * NULL: none. */
static struct wf_share_seat *next_in_turn(struct wf_share *share, const weft_loop *but,
                                          bool (*fits)(const struct wf_share_seat *))
{
    struct wf_share_seat *first = NULL, *next = NULL;
    WF_LIST_EACH(link, &share->seats) {
        struct wf_share_seat *seat = seat_at(link);
        const weft_loop *loop = listener_of(seat)->loop;
        if (loop == but || (fits && !fits(seat)))
            continue;
        if (!first)
            first = seat;
        if (!next && loop->index > share->turn)
            next = seat;
    }
    next = next ? next : first;
    if (next)
        share->turn = listener_of(next)->loop->index;
    return next;
}

static int give_to_peer(weft_loop *loop, const char *text, int fd)
{
    struct wf_group *group = loop->group;
    int err = -ECONNREFUSED;
    wf_lock(&group->lock);
    struct wf_share *share = find_free(group, text, loop);
    struct wf_share_seat *seat = share ? next_in_turn(share, loop, NULL) : NULL;
    if (seat)
        err = send_gift(seat, fd);
    wf_unlock(&group->lock);
    return err == -ESHUTDOWN ? -ECONNREFUSED : err;
}

static bool is_listened_on(weft_loop *loop, const char *text)
{
    wf_lock(&loop->group->lock);
    bool found = find_free(loop->group, text, loop) != NULL;
    wf_unlock(&loop->group->lock);
    return found;
}

int wf_share_connect(weft_loop *loop, const char *text, const struct wf_stream_options *options,
                     weft_stream **stream)
{
    int fds[2];
    if (!loop->group || !is_listened_on(loop, text))
        return -ECONNREFUSED;
    int err = wf_socket_pair(fds);
    if (err < 0)
        return err;
    weft_stream *ours = NULL;
    err = wf_socket_stream(loop, fds[0], options, &ours);
    if (err == 0)
        err = give_to_peer(loop, text, fds[1]);
    if (err < 0) {
        wf_socket_discard(fds[1]);
        if (ours)
            wf_stream_destroy(ours, false);
        return err;
    }
    wf_stream_name_peer(ours, text);
    *stream = ours;
    return 0;
}

/* Handing out. */

void wf_share_take(weft_listener *listener, size_t clients_max)
{
    struct wf_share_seat *seat = &listener->seat;
    wf_lock(&group_of(listener)->lock);
    seat->takes = true;
    seat->clients = 0;
    seat->clients_max = clients_max < UINT32_MAX ? (unsigned)clients_max : UINT32_MAX;
    tell_others(listener);
    wf_unlock(&group_of(listener)->lock);
}

static bool takes(const struct wf_share_seat *seat)
{
    return seat->takes;
}

static bool has_room(const struct wf_share_seat *seat)
{
    return seat->takes && seat->clients < seat->clients_max;
}

static const struct wf_share_seat *find_seat(const struct wf_share *share,
                                             bool (*fits)(const struct wf_share_seat *))
{
    WF_LIST_EACH(link, &share->seats)
        if (fits(seat_at(link)))
            return seat_at(link);
    return NULL;
}

bool wf_share_is_first(const weft_listener *listener)
{
    const struct wf_share_seat *seat = &listener->seat;
    if (!seat->share)
        return true;
    wf_lock(&group_of(listener)->lock);
    bool is_first = find_seat(seat->share, takes) == seat;
    wf_unlock(&group_of(listener)->lock);
    return is_first;
}

bool wf_share_is_full(const weft_listener *listener)
{
    if (!listener->seat.share)
        return true;
    wf_lock(&group_of(listener)->lock);
    bool is_full = !find_seat(listener->seat.share, has_room);
    wf_unlock(&group_of(listener)->lock);
    return is_full;
}

/* Equals take turns. */
static struct wf_share_seat *fewest(struct wf_share *share)
{
    struct wf_share_seat *found = next_in_turn(share, NULL, has_room);
    WF_LIST_EACH(link, &share->seats) {
        struct wf_share_seat *seat = seat_at(link);
        if (found && has_room(seat) && seat->clients < found->clients)
            found = seat;
    }
    if (found)
        share->turn = listener_of(found)->loop->index;
    return found;
}

/* Nobody has room: it is the caller's, who has given somebody's place away. */
static bool hand_out_locked(weft_listener *listener, int fd, enum weft_hand_out how)
{
    struct wf_share *share = listener->seat.share;
    struct wf_share_seat *seat =
        how == WEFT_HAND_OUT_FEWEST ? fewest(share) : next_in_turn(share, NULL, has_room);
    if (!seat)
        seat = &listener->seat;
    bool is_given = seat != &listener->seat && send_gift(seat, fd) == 0;
    if (!is_given)
        seat = &listener->seat;
    seat->clients++;
    return is_given;
}

bool wf_share_hand_out(weft_listener *listener, int fd, enum weft_hand_out how)
{
    if (!listener->seat.share)
        return false;
    wf_lock(&group_of(listener)->lock);
    bool is_given = hand_out_locked(listener, fd, how);
    wf_unlock(&group_of(listener)->lock);
    return is_given;
}

/* Given to a loop that has stopped meanwhile. A connection to a name is the peer's own affair. */
static bool pass_on(struct wf_group *group, uint64_t serial, int fd)
{
    int err = -ESHUTDOWN;
    wf_lock(&group->lock);
    WF_LIST_EACH(link, &group->shared) {
        struct wf_share *share = wf_container(link, struct wf_share, link);
        struct wf_share_seat *seat;
        while (share->serial == serial && err == -ESHUTDOWN &&
               (seat = next_in_turn(share, NULL, takes))) {
            err = send_gift(seat, fd);
            seat->clients += err == 0;
        }
    }
    wf_unlock(&group->lock);
    return err == 0;
}

void wf_share_lost(weft_listener *listener)
{
    if (!listener->seat.share || !listener->seat.takes)
        return;
    wf_lock(&group_of(listener)->lock);
    listener->seat.clients -= listener->seat.clients > 0;
    wf_unlock(&group_of(listener)->lock);
}
